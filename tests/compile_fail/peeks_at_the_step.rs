use countersign::{Denial, Step, Verification};

fn look(step: Step<Verification>) -> Result<Verification, Denial> {
    step.sealed.outcome.result
}

fn main() {
    let _ = look;
}
