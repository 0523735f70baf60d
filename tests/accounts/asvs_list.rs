//! docs/asvs.md names tests that there are, and all those that are named after a requirement.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const LIST: &str = include_str!("../../docs/asvs.md");

/// The names of all functions in the Rust files of a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it is there").path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).expect("it is text");
            let names = text.split("fn ").skip(1);
            found.extend(names.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}

/// The rows of the tables: what stands first, and what last.
fn rows() -> Vec<(&'static str, &'static str)> {
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, _, _, here, _] = cells[..] else {
            return None;
        };
        number
            .starts_with(['6', '7', '8', '9'])
            .then_some((number, here))
    };
    LIST.lines().filter_map(cells).collect()
}

/// What stands between backticks and looks like the name of a test.
fn tests_named(here: &'static str) -> impl Iterator<Item = &'static str> {
    let is_name = |text: &&str| {
        let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        text.contains('_') && text.chars().all(is_of_name)
    };
    here.split('`').skip(1).step_by(2).filter(is_name)
}

#[test]
fn every_test_that_the_list_names_is_there_and_none_of_a_requirement_is_left_out() {
    let mut there = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut there,
        );
    }
    let named: BTreeSet<_> = rows()
        .into_iter()
        .flat_map(|(_, here)| tests_named(here))
        .collect();
    assert!(named.len() > 40, "{named:?}");
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !there.contains(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "named in docs/asvs.md, and not there: {missing:#?}"
    );
    let of_requirements = there.iter().filter(|name| name.starts_with("asvs_"));
    let left_out: Vec<_> = of_requirements
        .filter(|name| !named.contains(name.as_str()))
        .collect();
    assert!(
        left_out.is_empty(),
        "there, and not named in docs/asvs.md: {left_out:#?}"
    );
}

#[test]
fn every_requirement_is_in_the_list_once_and_in_order() {
    let numbers: Vec<Vec<u32>> = rows()
        .iter()
        .map(|(number, _)| {
            number
                .split('.')
                .map(|part| part.parse().expect("a number"))
                .collect()
        })
        .collect();
    assert!(numbers.len() > 70, "{}", numbers.len());
    assert!(
        numbers.is_sorted_by(|one, other| one < other),
        "{numbers:?}"
    );
}
