//! The order of the rooms of `src`: a file imports from rooms below its own or from its own room, and from no other.
//!
//! `docs/architecture.md` draws the order. The root of the crate only hands on names, so it may import from every
//! room, and nothing imports from it.

use std::{fs, path::Path};

/// The rooms in their order. Those of one line are beside each other and do not import one another.
const FLOORS: [&[&str]; 9] = [
    &["crypto"],
    &["value"],
    &["keys", "policy", "machine", "otp"],
    &["factor"],
    &["session"],
    &["record"],
    &["outcome"],
    &["command"],
    &["wire"],
];

/// Files of the crate's root: they are above every room.
const ROOF: [&str; 4] = ["lib.rs", "tests.rs", "tests", "threat_model.rs"];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// The rooms that the code of a file names through `crate::`, in imports and in paths. Its unit tests may reach
/// anywhere.
fn named(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code: String = code.split_whitespace().collect();
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        // A group names rooms at its own level only.
        let (group, mut depth, mut part) = (rest.starts_with('{'), 0_usize, String::new());
        for symbol in rest.chars() {
            match symbol {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 1 => rooms.push(std::mem::take(&mut part)),
                _ if depth == usize::from(group) => part.push(symbol),
                _ => {}
            }
            let ended = if group { depth == 0 } else { !(symbol.is_alphanumeric() || symbol == '_') };
            if ended {
                break;
            }
        }
        rooms.push(part);
    }
    let first =
        |path: &String| path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().map(str::to_owned);
    rooms.iter().filter_map(first).filter(|room| !room.is_empty()).collect()
}

/// What a file of a room imports from where it may not.
fn climbs(room: &str, source: &str) -> Vec<String> {
    let below = |other: &str| floor(other) < floor(room) && floor(other).is_some();
    named(source).into_iter().filter(|other| other != room && !below(other)).collect()
}

pub(crate) fn sources(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { sources(&path, found) } else { found.push(path) }
    }
}

#[test]
fn no_file_imports_from_a_room_above_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut wrong, mut rooms) = (Vec::new(), Vec::new());
    for path in files {
        let place = path.strip_prefix(&root).unwrap();
        let top = place.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = top.trim_end_matches(".rs");
        if ROOF.contains(&top) {
            continue;
        }
        assert!(floor(room).is_some(), "{} is in no room that has a place in the order", place.display());
        rooms.push(room.to_owned());
        let source = fs::read_to_string(&path).unwrap();
        wrong.extend(
            climbs(room, &source).iter().map(|other| format!("{} imports from {other}", place.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for room in FLOORS.concat() {
        assert!(rooms.iter().any(|found| found == room), "{room} has no file");
    }
}

/// The control: what the test above must notice.
#[test]
fn an_import_that_climbs_is_noticed() {
    for (room, source, expected) in [
        ("crypto", "use crate::value::name::Subject;", &["value"][..]),
        ("value", "use crate::{crypto::wipe::wipe, keys::{derive, keyring::KeyRing}};", &["keys"]),
        ("keys", "use crate::{\n    policy::Policy,\n    value::id::{self, ChallengeId},\n};", &["policy"]),
        ("machine", "fn state() -> crate::record::account::Account {", &["record"]),
        ("record", "use crate::Verifier;", &["Verifier"]),
        ("record", "use crate::record::ledger::Ledger;\n// use crate::command::verifier::Verifier;", &[]),
        ("wire", "pub(crate) fn at(now: crate::value::instant::Millis) {", &[]),
    ] {
        assert_eq!(climbs(room, source), expected, "{source}");
    }
}
