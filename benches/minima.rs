//! The cases once more, each as the least of many batches that are interleaved with the others': what `benches/report.py`
//! takes its times and ratios from. It also prints what a record weighs.

use countersign_testkit::{
    cases,
    login::{Fill, Login},
    minima,
};

fn main() {
    for (size, fill) in [("empty", Fill::EMPTY), ("full", Fill::FULL)] {
        let login = Login::new(fill);
        println!("record-size {size} {} {}", login.json().len(), login.postcard().len());
    }
    minima::print(|minima| {
        minima.group("verification", cases::verification);
        minima.group("issue", cases::issue);
        minima.group("scaling", cases::scaling);
    });
}
