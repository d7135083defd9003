use countersign::{Denial, Step, Verified};

fn look(step: Step<Verified>) -> Result<Verified, Denial> {
    step.sealed.outcome.result
}

fn main() {
    let _ = look;
}
