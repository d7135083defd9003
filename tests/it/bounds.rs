//! What the bound of a public trait makes callable: its own methods and those of its supertraits, also of one that
//! nobody outside can name (L4). The listing of the public surface names a supertrait of a private module and not its
//! methods; here every trait that is public in its module is read from the source, and has the supertraits and the
//! methods of a list.

use std::{collections::BTreeMap, fs, path::Path};

use super::rooms::sources;

/// Each trait that a public bound reaches, with its supertraits and its items.
const CALLABLE: [(&str, &str, &str); 5] = [
    ("BlockingStore", "", "Record Error load swap"),
    ("LocalStore", "", "Record Error load swap"),
    ("Record", "sealed::Sealed Sized", "absent subject revision"),
    ("Sealed", "", ""),
    ("Store", "Send Sync", "Record Error load swap"),
];

/// The public traits of a file: name, supertraits, items.
fn traits(source: &str) -> Vec<(String, String, String)> {
    let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for rest in code.split("pub trait ").skip(1) {
        let (head, rest) = rest.split_once('{').expect("a trait has a body");
        let (name, supers) = head.split_once(':').unwrap_or((head, ""));
        let name = name.split(['<', ' ', '\n']).next().unwrap_or_default();
        let supers: Vec<_> = supers.split('+').map(str::trim).filter(|one| !one.is_empty()).collect();
        let mut depth = 1_usize;
        let body: String = rest
            .chars()
            .take_while(|symbol| {
                match symbol {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                depth > 0
            })
            .collect();
        let mut words = body.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '#'));
        let mut items = Vec::new();
        while let Some(word) = words.next() {
            if ["fn", "type", "const"].contains(&word) {
                items.extend(words.next().filter(|item| !item.is_empty()));
            }
        }
        found.push((name.to_owned(), supers.join(" "), items.join(" ")));
    }
    found
}

/// L4: what another crate can call through a bound is what a reader of this list agreed to.
#[test]
fn a_public_bound_makes_nothing_else_callable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut found = BTreeMap::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs")) {
        for (name, supers, items) in traits(&fs::read_to_string(path).unwrap()) {
            assert!(
                found.insert(name.clone(), (supers, items)).is_none(),
                "two public traits are named {name}"
            );
        }
    }
    let listed =
        CALLABLE.map(|(name, supers, items)| (name.to_owned(), (supers.to_owned(), items.to_owned())));
    assert_eq!(found, BTreeMap::from(listed));
}

/// The control: what the test above must notice.
#[test]
fn a_supertrait_and_a_method_are_noticed() {
    let of =
        |name: &str, supers: &str, items: &str| vec![(name.to_owned(), supers.to_owned(), items.to_owned())];
    for (source, expected) in [
        ("pub trait Record: internal::Internal {}", of("Record", "internal::Internal", "")),
        (
            "pub trait Record: Sealed\n    + Sized\n{\n    /// fn doc\n    fn subject(&self) -> &Subject;\n    fn x() { if a { b } }\n    fn ledger_mut(&mut self) -> &mut Ledger;\n}\nimpl X { fn y() {} }",
            of("Record", "Sealed Sized", "subject x ledger_mut"),
        ),
        (
            "    pub trait Sealed {\n        type Body: Clone;\n        const N: u8;\n    }",
            of("Sealed", "", "Body N"),
        ),
        ("pub(crate) trait Internal: Record { fn body(&self); }", Vec::new()),
    ] {
        assert_eq!(traits(source), expected, "{source}");
    }
}
