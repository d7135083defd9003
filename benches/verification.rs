//! What it costs to check a code, a token and a handle, beside the HMACs that it takes.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    support::time(criterion, "verification", |clock| support::cases::verification(clock));
}

criterion_group!(verification, measure);
criterion_main!(verification);
