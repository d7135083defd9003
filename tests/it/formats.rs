//! Records in the formats that hosts store them in: each is written and read, and names its version without the rest.
//!
//! JSON as text, as a value and with its keys in the order of a JSONB column; postcard; CBOR; MessagePack with and
//! without names; BSON by each of its doors, read by each; RON; TOML.

use std::{collections::BTreeMap, fmt::Debug, fs, path::PathBuf};

use countersign::{
    Account,
    address_proof::{AddressProof, ProofPolicy, ProofPurpose},
    effect::{Descriptor, EffectId},
    record::StoredVersion,
};
use countersign_testkit::{World, edited};
use serde::{
    Deserialize as _, Serialize,
    de::{DeserializeOwned, IntoDeserializer as _},
};
use serde_json::Value;

/// One way of writing a record and reading it back.
trait Format {
    const NAME: &'static str;

    fn write<T: Serialize>(value: &T) -> Vec<u8>;

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String>;
}

/// Names one way by its two functions, whose errors are texts.
macro_rules! door {
    ($format:ident, $name:literal, $write:expr, $read:expr) => {
        struct $format;

        impl Format for $format {
            const NAME: &'static str = $name;

            fn write<T: Serialize>(value: &T) -> Vec<u8> {
                $write(value)
            }

            fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
                $read(bytes).map_err(|error| error.to_string())
            }
        }
    };
}

door!(Json, "JSON", |value| serde_json::to_vec(value).unwrap(), |bytes| serde_json::from_slice(bytes));
door!(
    JsonValue,
    "a JSON value",
    |value| serde_json::to_value(value).unwrap().to_string().into_bytes(),
    |bytes| serde_json::from_value(serde_json::from_slice::<Value>(bytes).unwrap())
);
door!(Jsonb, "JSONB", |value| jsonb(&serde_json::to_value(value).unwrap()).into_bytes(), |bytes| {
    serde_json::from_slice(bytes)
});
door!(Postcard, "postcard", |value| postcard::to_stdvec(value).unwrap(), |bytes| postcard::from_bytes(bytes));
door!(Cbor, "CBOR", cbor, |bytes| ciborium::from_reader(bytes));
door!(
    CborValue,
    "a CBOR value",
    |value| cbor(&ciborium::Value::serialized(value).unwrap()),
    |bytes: &[u8]| ciborium::from_reader::<ciborium::Value, _>(bytes).unwrap().deserialized()
);
door!(MessagePack, "MessagePack", |value| rmp_serde::to_vec(value).unwrap(), |bytes| rmp_serde::from_slice(
    bytes
));
door!(MessagePackNamed, "MessagePack with names", |value| rmp_serde::to_vec_named(value).unwrap(), |bytes| {
    rmp_serde::from_slice(bytes)
});
door!(Bson, "BSON", |value| bson::serialize_to_vec(value).unwrap(), |bytes| bson::deserialize_from_slice(
    bytes
));
door!(BsonDocument, "a BSON document", by_document, from_document);
door!(
    BsonThenDocument,
    "BSON read as a document",
    |value| bson::serialize_to_vec(value).unwrap(),
    from_document
);
door!(DocumentThenBson, "a document read as BSON", by_document, |bytes| bson::deserialize_from_slice(bytes));
door!(Ron, "RON", |value| ron::to_string(value).unwrap().into_bytes(), |bytes| ron::de::from_bytes(bytes));
door!(Toml, "TOML", |value| toml::to_string(value).unwrap().into_bytes(), |bytes| toml::from_slice(bytes));

/// The keys of each object by length and then by bytes, which is the order of PostgreSQL's JSONB.
fn jsonb(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.keys().collect();
            names.sort_by_key(|name| (name.len(), name.as_bytes()));
            let fields: Vec<_> =
                names.iter().map(|name| format!("\"{name}\": {}", jsonb(&fields[*name]))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(jsonb).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// As an update by a document writes it.
fn by_document<T: Serialize>(value: &T) -> Vec<u8> {
    bson::serialize_to_document(value).unwrap().to_vec().unwrap()
}

/// As a collection of documents reads it.
fn from_document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, bson::error::Error> {
    bson::deserialize_from_document(bson::Document::from_reader(bytes).unwrap())
}

/// Runs a check of one format on all of them.
macro_rules! each_format {
    ($check:ident($($argument:expr),*)) => {
        $check::<Json>($($argument),*);
        $check::<JsonValue>($($argument),*);
        $check::<Jsonb>($($argument),*);
        $check::<Postcard>($($argument),*);
        $check::<Cbor>($($argument),*);
        $check::<CborValue>($($argument),*);
        $check::<MessagePack>($($argument),*);
        $check::<MessagePackNamed>($($argument),*);
        $check::<Bson>($($argument),*);
        $check::<BsonDocument>($($argument),*);
        $check::<BsonThenDocument>($($argument),*);
        $check::<DocumentThenBson>($($argument),*);
        $check::<Ron>($($argument),*);
        $check::<Toml>($($argument),*);
    };
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn comes_back<F: Format>(record: &(impl Serialize + DeserializeOwned + PartialEq + Debug)) {
    let bytes = F::write(record);
    let read = F::read(&bytes);
    assert_eq!(read.as_ref(), Ok(record), "{}", F::NAME);
    assert_eq!(F::write(&read.unwrap()), bytes, "{}: written again, it is the same", F::NAME);
}

fn shows_its_version<F: Format>(record: &impl Serialize) {
    let version: StoredVersion =
        F::read(&F::write(record)).unwrap_or_else(|error| panic!("{}: {error}", F::NAME));
    assert_eq!((version, version.is_newer()), (StoredVersion::CURRENT, false), "{}", F::NAME);
}

/// L22: what one of a format's doors writes, the other reads, whatever the format says of itself at either.
#[test]
fn a_record_comes_back_in_every_format() {
    for name in ["account-full.v1.json", "account-varied.v1.json"] {
        let account: Account = golden(name);
        each_format!(comes_back(&account));
        each_format!(shows_its_version(&account));
    }
    let proof: AddressProof = golden("address-proof.v1.json");
    each_format!(comes_back(&proof));
    each_format!(shows_its_version(&proof));
}

/// L22, for its sibling: what is stored in the outbox beside a record.
#[test]
fn a_descriptor_comes_back_in_every_format() {
    let mut world = World::new(countersign::Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    world.challenge(&session).unwrap();
    let mut outbox: Vec<Descriptor> = world.store.outbox.borrow().clone();
    assert!(outbox.len() > 2, "a message and a notice are among them");
    let mut proving = countersign_testkit::Proving::new(ProofPolicy::default());
    proving.ask(ProofPurpose::Confirm);
    proving.ask(ProofPurpose::Reset);
    outbox.append(&mut proving.outbox);
    for descriptor in &outbox {
        each_format!(comes_back(descriptor));
    }
}

/// A record as a later release may write it: a form that this release knows nothing of.
#[derive(Serialize)]
enum Later {
    #[serde(rename = "v1")]
    #[allow(dead_code, reason = "it gives the next variant its index")]
    V1,
    #[serde(rename = "v2")]
    V2(LaterBody),
}

#[derive(Serialize)]
struct LaterBody {
    tenant: [u8; 4],
    rows: BTreeMap<String, Vec<u64>>,
    note: &'static str,
}

fn is_newer_and_not_read<F: Format>(later: &Later) {
    let bytes = F::write(later);
    assert!(F::read::<Account>(&bytes).is_err() && F::read::<AddressProof>(&bytes).is_err(), "{}", F::NAME);
    let version: StoredVersion = F::read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", F::NAME));
    assert_eq!((version.get(), version.is_newer()), (2, true), "{}", F::NAME);
    assert_eq!(version.to_string(), "v2");
}

/// L23: a record of a later release is told from a corrupt one, in every format, by its version alone.
#[test]
fn a_newer_record_is_told_from_a_corrupt_one() {
    let rows = BTreeMap::from([("a".to_owned(), vec![1, 2]), ("b".to_owned(), vec![])]);
    let later = Later::V2(LaterBody { tenant: [1, 2, 3, 4], rows, note: "what it means is not known yet" });
    each_format!(is_newer_and_not_read(&later));

    let refused = serde_json::from_slice::<Account>(&Json::write(&later)).unwrap_err().to_string();
    assert!(refused.contains("unknown variant `v2`, expected `v1`"), "{refused}");
    // A corrupt record of this version is of this version, and is not read.
    let account: Account = golden("account-full.v1.json");
    let mut corrupt = serde_json::to_value(&account).unwrap();
    corrupt["v1"]["enrolled"] = "perhaps".into();
    assert!(serde_json::from_value::<Account>(corrupt.clone()).is_err());
    assert_eq!(serde_json::from_value::<StoredVersion>(corrupt).unwrap(), StoredVersion::CURRENT);
}

#[test]
fn what_is_no_record_has_no_version() {
    for text in [
        "{}",
        "[]",
        "1",
        "null",
        "\"\"",
        "\"v\"",
        r#"{"v": {}}"#,
        r#"{"v0": {}}"#,
        r#"{"v01": {}}"#,
        r#"{"v+1": {}}"#,
        r#"{"1": {}}"#,
        r#"{"V1": {}}"#,
        r#"{"v4294967296": {}}"#,
        r#"{"v1": {}, "v2": {}}"#,
        r#"{"v1": {}"#,
        r#"{"version": 1}"#,
    ] {
        assert!(serde_json::from_str::<StoredVersion>(text).is_err(), "{text}");
    }
    for (text, version) in [(r#"{"v4294967295": []}"#, u32::MAX), (r#"{"v10": {"v1": {}}}"#, 10)] {
        assert_eq!(serde_json::from_str::<StoredVersion>(text).unwrap().get(), version, "{text}");
    }
    assert!(postcard::from_bytes::<StoredVersion>(&[]).is_err());
    assert_eq!(postcard::from_bytes::<StoredVersion>(&[41]).unwrap().get(), 42);
    let last = postcard::to_stdvec(&u32::MAX).unwrap();
    assert!(
        postcard::from_bytes::<StoredVersion>(&last).is_err(),
        "the version after it is no number of 32 bits"
    );
}

/// What is wrong with something that is no record, by the one who would have to know.
#[test]
fn the_version_of_what_is_no_record_says_what_was_expected() {
    let number: serde::de::value::U64Deserializer<serde::de::value::Error> = 1_u64.into_deserializer();
    let error = StoredVersion::deserialize(number).unwrap_err().to_string();
    assert_eq!(error, "invalid type: integer `1`, expected a stored record");
    // A map in MessagePack whose key is `true`.
    let error = rmp_serde::from_slice::<StoredVersion>(&[0x81, 0xc3, 0x01]).unwrap_err().to_string();
    assert!(error.ends_with("expected the version of a record, such as v1"), "{error}");
}

/// A format without byte strings has lists of numbers.
#[test]
fn bytes_are_read_from_a_list_of_numbers() {
    let mut world = World::new(countersign::Policy::default());
    world.enroll("user@example.com");
    let id = world.tokens[0].id();
    let list = id.as_bytes().to_vec();
    assert_eq!(serde_json::from_value::<EffectId>(list.clone().into()).unwrap(), id);
    for (list, words) in [
        (list[1..].to_vec(), "invalid length 15, expected 16 bytes"),
        ([&list[..], &[0]].concat(), "invalid length 17, expected 16 bytes"),
    ] {
        let error = serde_json::from_value::<EffectId>(list.into()).unwrap_err().to_string();
        assert_eq!(error, words);
    }
}

/// L5: a record has one door. `from_value` goes through it, and so does everything else.
#[test]
fn an_edited_record_is_checked_in_every_format() {
    fn refused<F: Format>(record: &Value) {
        let error = F::read::<Account>(&F::write(record)).unwrap_err();
        assert!(error.contains("an authenticator id is given twice"), "{}: {error}", F::NAME);
    }
    let account: Account = golden("account-full.v1.json");
    let twice = |record: &mut Value| {
        let first = record["authenticators"][0].clone();
        record["authenticators"].as_array_mut().unwrap().push(first);
    };
    assert!(edited(&account, twice).is_err());
    let mut record = serde_json::to_value(&account).unwrap();
    twice(&mut record["v1"]);
    // A JSON value says of bytes that they are text: these read it so.
    refused::<Json>(&record);
    refused::<Jsonb>(&record);
    refused::<MessagePackNamed>(&record);
    refused::<Bson>(&record);
    refused::<BsonDocument>(&record);
}
