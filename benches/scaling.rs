//! What the account's size adds, and what its stored forms cost and weigh.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use support::fixture::{Fill, Login};

fn measure(criterion: &mut Criterion) {
    for (size, fill) in [("empty", Fill::EMPTY), ("full", Fill::FULL)] {
        let login = Login::new(fill);
        println!("record-size {size} {} {}", login.json().len(), login.postcard().len());
    }
    support::time(criterion, "scaling", |clock| support::cases::scaling(clock));
}

criterion_group!(scaling, measure);
criterion_main!(scaling);
