//! What compiles: what a record shows through its bound, and its one door.

use countersign::{Account, address_proof::AddressProof, effect::Descriptor, record::{Record, StoredVersion}, wire::{AssociateBody, ChallengeBody, TokenBody}};
use serde_json::Value;

fn shown<R: Record>(record: &R) -> (bool, u64) {
    (R::absent(record.subject()).subject() == record.subject(), record.revision().get())
}

/// A trait with the names of serde's. A function of a type itself goes before those of any trait, and does not give this
/// answer: the names below are then of two types, and do not compile.
trait NoFunctionOfItsOwn: Sized {
    fn deserialize(_: Value) -> Absent {
        Absent
    }

    fn serialize(_: Value) -> Absent {
        Absent
    }
}

struct Absent;

impl<T> NoFunctionOfItsOwn for T {}

/// A record and a request are read through serde's trait alone, which checks what it reads.
fn one_door(value: Value) -> [Absent; 12] {
    [
        Account::deserialize(value.clone()),
        Account::serialize(value.clone()),
        AddressProof::deserialize(value.clone()),
        AddressProof::serialize(value.clone()),
        StoredVersion::deserialize(value.clone()),
        StoredVersion::serialize(value.clone()),
        Descriptor::deserialize(value.clone()),
        Descriptor::serialize(value.clone()),
        TokenBody::deserialize(value.clone()),
        ChallengeBody::deserialize(value.clone()),
        AssociateBody::deserialize(value.clone()),
        AssociateBody::serialize(value),
    ]
}

fn main() {
    let account = Account::new(&countersign::Subject::new("user-1").unwrap());
    assert_eq!(shown(&account), (true, 0));
    let _ = one_door;
}
