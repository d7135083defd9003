//! The fields of `src/record` and `src/machine`: other rooms reach them by methods, and by nothing else.
//!
//! A field is private, or it is for the files of its own room. The variants of an enum are as public as the enum, and are
//! no fields here.

use crate::rooms::sources;
use std::{fs, path::Path};

/// The rooms that keep their fields to themselves.
const ROOMS: [&str; 2] = ["machine", "record"];

/// Types whose fields anybody may read, and why.
const RESULTS: [(&str, &str); 4] = [
    ("AuthenticatorView", "a row of a list that a host shows: it is no part of a record"),
    ("DeviceView", "a row of a list that a host shows: it is no part of a record"),
    ("KeyUse", "a line of the report on old keys: it is no part of a record"),
    ("StaleKeys", "the report on old keys: it is no part of a record"),
];

/// Splits at the commas that are in no bracket.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0_usize, 0, Vec::new());
    for (place, symbol) in list.char_indices() {
        match symbol {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&list[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[begin..]);
    parts
}

/// What is between the first bracket of a text and its partner.
fn bracketed(text: &str) -> &str {
    let mut depth = 0_usize;
    for (place, symbol) in text.char_indices() {
        match symbol {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[1..place];
        }
    }
    panic!("a bracket is not closed: {text}");
}

/// Whether a field is visible outside of its room. `inside` says that its file is in the folder of the room.
fn is_open(field: &str, room: &str, inside: bool) -> bool {
    let Some(rest) = field.strip_prefix("pub").filter(|rest| rest.starts_with(['(', ' '])) else {
        return false;
    };
    let scope = if rest.starts_with('(') { bracketed(rest) } else { "crate" };
    let within = format!("in crate::{room}");
    let of_room = scope == within || scope.starts_with(&format!("{within}::"));
    !(of_room || scope == "self" || scope == "super" && inside)
}

/// The fields of the structs of a source that are visible outside of its room, each with its type.
fn open_fields(room: &str, inside: bool, source: &str) -> Vec<(String, String)> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut open = Vec::new();
    for (place, _) in code.match_indices("struct ") {
        if code[..place].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &code[place + "struct ".len()..];
        let name = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        let Some(begin) = rest.find(['{', '(', ';']) else { continue };
        if rest[begin..].starts_with(';') {
            continue;
        }
        for mut field in split(bracketed(&rest[begin..])) {
            field = field.trim();
            while let Some(attribute) = field.strip_prefix('#') {
                field = attribute[bracketed(attribute).len() + 2..].trim_start();
            }
            if is_open(field, room, inside) {
                open.push((name.to_owned(), field.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        }
    }
    open
}

#[test]
fn no_field_is_visible_outside_of_its_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut wrong, mut results) = (Vec::new(), Vec::new());
    for room in ROOMS {
        let mut files = vec![root.join(room).with_extension("rs")];
        sources(&root.join(room), &mut files);
        assert!(files.len() > 2, "{room} has no files");
        for path in files {
            let inside = path.starts_with(root.join(room));
            for (name, field) in open_fields(room, inside, &fs::read_to_string(&path).unwrap()) {
                if RESULTS.iter().any(|(result, _)| *result == name) {
                    results.push(name);
                } else {
                    wrong.push(format!("{}: {name}: {field}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (result, _) in RESULTS {
        assert!(results.iter().any(|found| found == result), "{result} has no field that anybody may read");
    }
}

/// The control: what the test above must notice.
#[test]
fn a_field_that_is_visible_is_noticed() {
    for (source, inside, expected) in [
        ("pub(crate) struct Pair { pub(crate) left: u8, right: u8 }", true, &["pub(crate) left: u8"][..]),
        ("pub struct Seen(pub Vec<(u8, u8)>, pub(crate) u8);", true, &["pub Vec<(u8, u8)>", "pub(crate) u8"]),
        (
            "struct Read<T>\nwhere\n    T: Copy,\n{\n    #[serde(rename = \"a\", default)]\n    /// It.\n    pub a: T,\n}",
            true,
            &["pub a: T"],
        ),
        (
            "struct Far { pub(in crate::command) a: u8, pub(in crate::recorded) b: u8 }",
            true,
            &["pub(in crate::command) a: u8", "pub(in crate::recorded) b: u8"],
        ),
        ("struct Root { pub(super) a: u8 }", false, &["pub(super) a: u8"]),
        ("struct Kept { a: u8, pub(super) b: u8, pub(in crate::record) c: u8, public: u8 }", true, &[]),
        ("struct Unit;\nstruct Whole;\nimpl Whole { pub(crate) fn a(&self) {} }", true, &[]),
        ("/// A struct of { pub(crate) a: u8 }\npub enum Way { In { a: u8 } }", true, &[]),
    ] {
        let found: Vec<String> =
            open_fields("record", inside, source).into_iter().map(|(_, field)| field).collect();
        assert_eq!(found, expected, "{source}");
    }
}
