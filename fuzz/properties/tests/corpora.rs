//! Replays every checked-in input: the corpora, and the regressions that fuzzing once found.

use std::{fs, path::Path};

use countersign_properties::{TARGETS, seeds};

/// The files of a folder, by name; none if there is no such folder.
fn inputs(folder: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join(target);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

fn replay(target: &str) {
    let (_, check) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
    let corpus = inputs("corpus", target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} is missing or empty");
    for (name, bytes) in corpus.into_iter().chain(inputs("regressions", target)) {
        println!("{name}");
        check(&bytes);
    }
}

#[test]
fn operations() {
    replay("operations");
}

#[test]
fn record() {
    replay("record");
}

#[test]
fn tokens() {
    replay("tokens");
}

#[test]
fn input() {
    replay("input");
}

#[test]
fn wire() {
    replay("wire");
}

/// The seeds on disk are what the generator writes.
#[test]
fn the_seeds_are_current() {
    for (target, _) in TARGETS {
        let corpus = inputs("corpus", target);
        for (name, bytes) in seeds::of(target) {
            let found = corpus.iter().find(|(path, _)| path.ends_with(&format!("/seed-{name}")));
            assert!(
                found.is_some_and(|(_, known)| *known == bytes),
                "{target}/seed-{name}: run the generator"
            );
        }
    }
}
