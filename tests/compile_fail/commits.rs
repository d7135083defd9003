use countersign::{Denial, Step, Swap, Verified, step::{Committed, Effects}};

fn look(step: Step<Verified>) -> Option<(Result<Verified, Denial>, Effects)> {
    let (write, sealed) = step.into_parts();
    let answer = if write.is_some() { Swap::Lost } else { Swap::Stored };
    match sealed.open(answer) {
        Committed::Done(outcome) => Some(outcome.into_parts()),
        Committed::Lost => None,
    }
}

fn main() {
    let _ = look;
}
