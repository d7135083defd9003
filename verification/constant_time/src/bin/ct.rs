//! Runs the verifications under valgrind's memcheck, with their secrets marked as undefined.
//!
//!     valgrind --error-limit=no ct [SUBJECT [INPUT]]
//!
//! Built with `--cfg countersign_constant_time`, each case is run twice. The verdicts of the first run are
//! declassified before the library branches on them: nothing else may depend on a secret. Those of the second stay
//! secret: memcheck must then see the library's branch on them. Built without it, as the library is shipped, nothing
//! is declassified, and the branches that show must be as many as the verdicts.
//!
//! Columns: branches and addresses that depended on a secret; verdicts on secrets; what showed with the verdicts
//! withheld.
//!
//! Exits 0 if all is as it must be, 1 if anything is not, 2 if it does not run under valgrind or knows no such case.

use std::process::ExitCode;

use constant_time::{
    cases::{CASES, Case},
    observe::{self, Observation},
    valgrind,
};

fn main() -> ExitCode {
    if !valgrind::running() {
        eprintln!("ct: not running under valgrind, so nothing would be seen");
        return ExitCode::from(2);
    }
    observe::install();
    let mut words = std::env::args().skip(1);
    let (subject, input) = (words.next(), words.next());
    let chosen = |case: &&Case| {
        subject.as_deref().is_none_or(|subject| subject == case.subject)
            && input.as_deref().is_none_or(|input| input == case.input)
    };
    let mut failed = 0;
    let mut rows = 0;
    println!("{:<14} {:<30} {:>7} {:>8} {:>8}", "subject", "input", "flagged", "verdicts", "withheld");
    for case in CASES.iter().filter(chosen) {
        rows += 1;
        failed += usize::from(!row(case));
    }
    if rows == 0 {
        eprintln!("ct: no such case");
        return ExitCode::from(2);
    }
    println!("{rows} rows, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// Runs a case, prints its row and says whether it is as it must be.
fn row(case: &Case) -> bool {
    if observe::hooked() { hooked(case) } else { shipped(case) }
}

/// Every verdict is declassified: nothing else may show. Then none is: each must show.
fn hooked(case: &Case) -> bool {
    let before = observe::so_far().errors;
    let seen = (case.run)();
    let setting = observe::so_far().errors - before - seen.errors;
    observe::withhold_verdicts(true);
    let withheld = (case.run)();
    observe::withhold_verdicts(false);
    let good = if case.control {
        seen.errors > 0
    } else {
        setting == 0
            && seen.errors == 0
            && seen.secret_verdicts == case.verdicts
            && (withheld.errors > 0) == (case.verdicts > 0)
    };
    print(case, seen, &format!("{:>8} {:>8}", seen.secret_verdicts, withheld.errors), good);
    if setting > 0 {
        println!("    {setting} more while its scene was set");
    }
    if !case.control && seen.secret_verdicts != case.verdicts {
        println!(
            "    {} verdicts were expected: a secret was lost on the way, or is compared twice",
            case.verdicts
        );
    }
    good
}

/// Nothing is declassified: each verdict that is branched on is one branch, and there is no other.
fn shipped(case: &Case) -> bool {
    let seen = (case.run)();
    let good = if case.control {
        seen.errors > 0
    } else if case.wide {
        seen.errors >= case.branches
    } else {
        seen.errors == case.branches
    };
    print(case, seen, &format!("{:>8} {:>8}", case.branches, "-"), good);
    good
}

fn print(case: &Case, seen: Observation, verdicts: &str, good: bool) {
    let (subject, input) = (case.subject, case.input);
    let judgement = match (good, case.control) {
        (true, false) => "ok",
        (true, true) => "ok: caught",
        (false, false) => "FAILED",
        (false, true) => "FAILED: not caught",
    };
    println!("{subject:<14} {input:<30} {:>7} {verdicts}  {judgement}", seen.errors);
}
