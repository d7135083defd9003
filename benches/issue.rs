//! What it costs to make tokens, handles and codes.

use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    countersign_testkit::clock::time(criterion, "issue", |clock| countersign_testkit::cases::issue(clock));
}

criterion_group!(issue, measure);
criterion_main!(issue);
