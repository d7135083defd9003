//! What it costs to make tokens, handles and codes.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    support::time(criterion, "issue", |clock| support::cases::issue(clock));
}

criterion_group!(issue, measure);
criterion_main!(issue);
