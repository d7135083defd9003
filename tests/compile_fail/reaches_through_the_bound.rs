use countersign::{Revision, record::{Ledger, Record}};

fn refill<R: Record>(record: &mut R) {
    *record.ledger_mut() = Ledger::default();
}

fn back<R: Record>(record: &mut R, to: Revision) {
    record.store_at(to);
}

fn body<R: Record>(record: &mut R) {
    record.body_mut();
}

fn main() {}
