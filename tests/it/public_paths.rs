//! Each public type has one path: at the root what a first host needs, the rest by module. The listing of the public
//! surface says where each is.

use std::collections::BTreeMap;

const LISTING: [&str; 3] = [
    include_str!("../../docs/api/none.txt"),
    include_str!("../../docs/api/serde.txt"),
    include_str!("../../docs/api/wire.txt"),
];

const ROOT: &str = "Account Associated AuthenticatorId Begun BindingCode BlockingStore ChallengeRequest Challenged Denial Effect \
    Elevation EmailAddress Entropy Evidence FirstFactor Key KeyRing LocalStore NewFactor Outcome Policy Requirements Revision \
    Session Step Store Subject Swap Verified Verifier Write";

/// The paths of each type and trait of a listing.
fn paths<'a>(listing: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut paths = BTreeMap::<_, Vec<_>>::new();
    for line in listing.into_iter().flat_map(str::lines) {
        let kinds = [
            "pub struct ",
            "pub enum ",
            "pub trait ",
            "#[non_exhaustive] pub struct ",
            "#[non_exhaustive] pub enum ",
        ];
        let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
        let path =
            rest.split(|symbol: char| !(symbol.is_alphanumeric() || "_:".contains(symbol))).next().unwrap();
        let path = path.trim_end_matches(':');
        let known = paths.entry(path.rsplit("::").next().unwrap()).or_default();
        if !known.contains(&path) {
            known.push(path);
        }
    }
    paths
}

#[test]
fn each_type_has_one_path() {
    let paths = paths(LISTING);
    assert!(paths.len() > 80, "the listing is read: {}", paths.len());
    let twice: Vec<_> = paths.values().filter(|known| known.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn the_root_has_what_a_first_host_needs() {
    let paths = paths(LISTING);
    let at_root =
        paths.iter().filter(|(name, known)| known.contains(&format!("countersign::{name}").as_str()));
    let names: Vec<_> = at_root.map(|(name, _)| *name).collect();
    assert_eq!(names.join(" "), ROOT);
}

#[test]
fn the_check_sees_a_second_path() {
    let listing = "pub struct countersign::Key(_)\n#[non_exhaustive] pub enum countersign::keys::Key\npub fn countersign::key()";
    let paths = paths([listing]);
    assert_eq!(paths["Key"], ["countersign::Key", "countersign::keys::Key"]);
    assert_eq!(paths.len(), 1);
}
