use countersign::{Account, address_proof::AddressProof, record::Ledger};

fn refill(account: &mut Account, proof: &mut AddressProof) {
    account.0.ledger = Ledger::default();
    proof.0.generation = 0;
    **account = *account.clone();
}

fn main() {}
