use countersign::{Outcome, Step, Verified};

fn look(step: Step<Verified>) -> Outcome<Verified> {
    let countersign::step::Sealed { outcome } = step.into_parts().1;
    outcome
}

fn main() {
    let _ = look;
}
