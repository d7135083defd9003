//! What the account's size adds, and what its stored forms cost.

use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    countersign_testkit::clock::time(criterion, "scaling", |clock| {
        countersign_testkit::cases::scaling(clock)
    });
}

criterion_group!(scaling, measure);
criterion_main!(scaling);
