//! What the account's size adds, and what its stored forms cost and weigh.

use countersign_testkit::login::{Fill, Login};
use criterion::{Criterion, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    for (size, fill) in [("empty", Fill::EMPTY), ("full", Fill::FULL)] {
        let login = Login::new(fill);
        println!("record-size {size} {} {}", login.json().len(), login.postcard().len());
    }
    countersign_testkit::clock::time(criterion, "scaling", |clock| {
        countersign_testkit::cases::scaling(clock)
    });
}

criterion_group!(scaling, measure);
criterion_main!(scaling);
