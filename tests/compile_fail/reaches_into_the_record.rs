use countersign::{Account, record::{Ledger, Standalone}};

fn refill(account: &mut Account, record: &mut Standalone) {
    account.0.ledger = Ledger::default();
    record.0.ledger = Ledger::default();
    **account = *account.clone();
}

fn main() {}
