use countersign::{Outcome, Step, Verification};

fn look(step: Step<Verification>) -> Outcome<Verification> {
    let countersign::Sealed { outcome } = step.into_parts().1;
    outcome
}

fn main() {
    let _ = look;
}
