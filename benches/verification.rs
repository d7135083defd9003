//! What it costs to check a code, a token and a handle, beside the HMACs that it takes.

use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    countersign_testkit::clock::time(criterion, "verification", |clock| {
        countersign_testkit::cases::verification(clock)
    });
}

criterion_group!(verification, measure);
criterion_main!(verification);
