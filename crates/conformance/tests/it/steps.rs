//! Handlers of a host: the loop, and a transaction around it that ends with the answer.

use std::{convert::Infallible, time::Duration};

use countersign::{Denial, Swap, Verified, step::Committed};
use countersign_conformance::{Check, Concurrency, Request, Violation};

use super::stores::{NOW, Rows, caught, run, violations};

/// A handler with a transaction around it, which is committed if `commits` says so of the answer.
pub fn request(
    rows: &Rows,
    asked: Request,
    commits: impl Fn(&Result<Verified, Denial>) -> bool,
) -> Result<Result<Verified, Denial>, Infallible> {
    loop {
        let before = rows.load(asked.subject())?;
        let account = before.clone().expect("the account is stored");
        let Committed::Done(outcome) = asked.step(account).commit(|write| rows.swap(write))? else {
            continue;
        };
        let (result, _) = outcome.into_parts();
        if !commits(&result) {
            rows.put(before.expect("the account is stored"));
        }
        return Ok(result);
    }
}

#[test]
fn the_request_is_rolled_back_with_its_refusal() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    let report = kit.request(|asked| request(&rows, asked, Result::is_ok)).run(&run(), NOW);
    let words = [
        "1 requests were refused for a wrong code, and the record counts 0",
        "the request with wrong code number 2 was answered Err(InvalidBindingCode { attempts_left: 4 })",
        "must not be part of a transaction that is rolled back when the handler answers with an error",
    ];
    caught(&report, Check::DeniedRequest, None, Violation::Vanished, &words);
    // The two closures alone do not show it.
    assert_eq!(violations(&report, Check::DeniedStep, None), []);
    let alone = violations(&report, Check::DeniedRequest, None);
    assert!(alone.iter().all(|violation| *violation == Violation::Vanished), "{alone:?}");
    // Whoever asks often enough at once learns more than there are attempts.
    let threads = Some(Concurrency::Threads);
    let words = ["verdicts on wrong codes where there were 5 attempts"];
    caught(&report, Check::DeniedRequest, threads, Violation::LimitBroken, &words);
}

#[test]
fn the_request_commits_refusals_only() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    let report = kit.request(|asked| request(&rows, asked, Result::is_err)).run(&run(), NOW);
    caught(
        &report,
        Check::DeniedRequest,
        None,
        Violation::Vanished,
        &["the request with a code that was used was answered"],
    );
}

#[test]
fn the_request_refuses_the_right_code() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    let refuse = |asked| {
        let answer = request(&rows, asked, |_| true)?;
        Ok::<_, Infallible>(answer.and(Err(Denial::OobCodeUsed)))
    };
    let report = kit.request(refuse).run(&run(), NOW);
    let words = ["the request with the right code was answered Err(OobCodeUsed)"];
    caught(&report, Check::DeniedRequest, None, Violation::NeverStored, &words);
}

#[test]
fn the_request_answers_before_it_knows() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    // Opens what happened with an answer that the store never gave.
    let peek = |asked: Request| {
        let account = rows.load(asked.subject())?.expect("the account is stored");
        let (_write, sealed) = asked.step(account).into_parts();
        let outcome = sealed.open(Swap::Stored).done().expect("it was opened");
        Ok::<_, Infallible>(outcome.into_parts().0)
    };
    let report = kit.request(peek).run(&run(), NOW);
    caught(&report, Check::DeniedRequest, None, Violation::Vanished, &[]);
}

#[test]
fn the_request_gives_up_when_others_come_first() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    let impatient = |asked: Request| {
        let account =
            rows.load(asked.subject()).expect("the store cannot fail").expect("the account is stored");
        // Others come between.
        std::thread::sleep(Duration::from_millis(2));
        match asked.step(account).commit(|write| rows.swap(write)) {
            Ok(Committed::Done(outcome)) => Ok(outcome.into_parts().0),
            Ok(Committed::Lost) => Err("the server is busy"),
        }
    };
    let report = kit.request(impatient).run(&run(), NOW);
    assert_eq!(violations(&report, Check::DeniedRequest, None), []);
    let threads = Some(Concurrency::Threads);
    let words = ["a request failed: the server is busy"];
    caught(&report, Check::DeniedRequest, threads, Violation::StoreFails, &words);
}

#[test]
fn the_request_fails() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    let report = kit.request(|_| Err::<Result<Verified, Denial>, _>("503")).run(&run(), NOW);
    caught(&report, Check::DeniedRequest, None, Violation::StoreFails, &["a request failed: 503"]);
}
