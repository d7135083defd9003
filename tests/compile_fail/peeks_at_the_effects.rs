use countersign::{Effect, Step, Verification};

fn look(step: Step<Verification>) -> Vec<Effect> {
    let (_write, sealed) = step.into_parts();
    sealed.outcome.effects
}

fn main() {
    let _ = look;
}
