//! What the account's size adds, and what its stored forms cost and weigh.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    support::time(criterion, "scaling", |clock| support::cases::scaling(clock));
}

criterion_group!(scaling, measure);
criterion_main!(scaling);
