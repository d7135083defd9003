use countersign::{Effects, Step, Verification};

fn look(step: Step<Verification>) -> Effects {
    let (_write, sealed) = step.into_parts();
    sealed.outcome.effects
}

fn main() {
    let _ = look;
}
