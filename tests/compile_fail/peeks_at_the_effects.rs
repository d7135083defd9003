use countersign::{Step, Verified, step::Effects};

fn look(step: Step<Verified>) -> Effects {
    let (_write, sealed) = step.into_parts();
    sealed.outcome.effects
}

fn main() {
    let _ = look;
}
