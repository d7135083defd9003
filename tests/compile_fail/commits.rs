use countersign::{Committed, Denial, Effect, Step, Swap, Verification};

fn look(step: Step<Verification>) -> Option<(Result<Verification, Denial>, Vec<Effect>)> {
    let (write, sealed) = step.into_parts();
    let answer = if write.is_some() { Swap::Lost } else { Swap::Stored };
    match sealed.open(answer) {
        Committed::Done(outcome) => Some((outcome.result, outcome.effects)),
        Committed::Lost => None,
    }
}

fn main() {
    let _ = look;
}
