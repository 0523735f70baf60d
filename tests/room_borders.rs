//! The rooms' borders, read from the sources: imports point one way, and sockets, clocks and randomness
//! stay outside the pure rooms.
//!
//! ```text
//! geo ← matching ← lobby ← server ← cli        conversation, dialect beside lobby; store beside all below server
//! ```
//! When this fails, the change is in the wrong room, or the table below must change: then say in
//! ARCHITECTURE.md why.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, that is each folder or file directly under `src`: the rooms it may import from.
const ROOMS: &str = "
    moment:
    private:
    signatures:
    accounts:     private moment signatures
    distribution:
    pace:         moment
    geo:          private moment
    matching:     geo moment distribution
    lobby:        matching geo pace private moment distribution
    conversation: lobby private moment
    dialect:      conversation lobby matching geo private moment
    store:        private accounts
    config:       dialect lobby geo private store
    swarm:        geo private moment
    server:       config store accounts signatures dialect conversation lobby matching geo pace private moment distribution
    cli:          server swarm config store accounts dialect conversation lobby geo private moment
    lib:
    main:         cli
";

/// What only some rooms may use, and what the others do instead. Everything that is not here is free.
const OUTSIDE: &str = "
    hyper                 server                  answer with a value; the server knows HTTP
    axum                  server                  answer with a value; the server knows HTTP
    hyper_util            server                  answer with a value; the server knows HTTP
    hyper_rustls          server                  answer with a value; the server knows HTTP
    http_body_util        server                  answer with a value; the server knows HTTP
    fastwebsockets        server                  answer with a value; the server knows WebSockets
    opentelemetry         server                  answer with a value; the server tells the collector
    opentelemetry_otlp    server                  answer with a value; the server tells the collector
    opentelemetry_sdk     server                  answer with a value; the server tells the collector
    sqlx                  store                   ask the store; it knows SQL
    tokio                 server,cli,swarm,store  let the server do it and tell this room the outcome
    tokio_util            server,cli,swarm        let the server do it and tell this room the outcome
    std::net              server,cli,swarm,config take a value of a type of its own
    std::thread           server,cli,swarm,config let the caller drive it
    std::time::Instant    server,cli,swarm        take a `Moment` as a parameter
    std::time::SystemTime server,cli,swarm        take the time as a parameter
    rand::rng             server,cli,swarm        take the generator as a parameter, so that seeds replay
    rand::thread_rng      server,cli,swarm        take the generator as a parameter, so that seeds replay
    rand::random          server,cli,swarm        take the generator as a parameter, so that seeds replay
";

/// The rows of [`ROOMS`].
fn rooms() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let row = |line: &'static str| {
        let (room, allowed) = line.split_once(':')?;
        Some((room.trim(), allowed.split_whitespace().collect()))
    };
    ROOMS.lines().filter_map(row)
}

/// The rows of [`OUTSIDE`].
fn outside() -> impl Iterator<Item = (&'static str, Vec<&'static str>, &'static str)> {
    let row = |line: &'static str| {
        let (what, rest) = line.trim().split_once(' ')?;
        let (rooms, instead) = rest.trim().split_once(' ')?;
        Some((what, rooms.split(',').collect(), instead.trim()))
    };
    OUTSIDE.lines().filter_map(row)
}

#[test]
fn imports_point_one_way() {
    assert_none(&offences(|file, path| {
        let (_, allowed) = rooms()
            .find(|(room, _)| *room == file.room)
            .unwrap_or_else(|| panic!("`{}` is a new room: add it to ROOMS", file.room));
        let named = file.room_named(path)?;
        let is_allowed = named == file.room || allowed.contains(&named);
        (!is_allowed).then(|| {
            format!(
                "`{}` may import from {allowed:?}, not from `{named}`: move what is needed into a room \
                 below both, or pass it in as a value",
                file.room
            )
        })
    }));
}

#[test]
fn sockets_clocks_and_randomness_stay_outside_the_pure_rooms() {
    assert_none(&offences(|file, path| {
        let (what, _, instead) = outside()
            .find(|(what, rooms, _)| !rooms.contains(&file.room.as_str()) && reaches(path, what))?;
        Some(format!("`{}` may not use `{what}`: {instead}", file.room))
    }));
}

#[test]
fn every_room_in_the_tables_is_there() {
    let files = files();
    let named = rooms()
        .flat_map(|(room, allowed)| [vec![room], allowed])
        .chain(outside().map(|(_, rooms, _)| rooms));
    for room in named.flatten() {
        let is_there = files.iter().any(|file| file.room == room);
        assert!(is_there, "there is no room `{room}`: take it out");
    }
}

/// What the tests above can see; without it they could go blind unnoticed.
#[test]
fn a_forbidden_path_is_seen_in_every_spelling() {
    let file = File::new(PathBuf::from("src/lobby/machine.rs"));
    let cases: [(&str, &[&str]); 6] = [
        ("use crate::server::Server;", &["server"]),
        (
            "use crate::{\n geo::{Place, server},\n dialect,\n};",
            &["geo", "geo", "dialect"],
        ),
        ("let x = crate::cli::run();", &["cli"]),
        ("use super::super::dialect::v1;", &["dialect"]),
        ("pub use super::{session, server};", &[]),
        ("// crate::server\nfn a() {}", &[]),
    ];
    for (text, expected) in cases {
        let paths = paths(text);
        let named: Vec<_> = paths
            .iter()
            .filter_map(|(_, path)| file.room_named(path))
            .collect();
        assert_eq!(named, expected, "{text}");
    }
    let cases = [
        (
            "use std::time::{Duration, Instant};",
            "std::time::Instant",
            true,
        ),
        (
            "use std::{fmt, time::{Duration, Instant}};",
            "std::time::Instant",
            true,
        ),
        (
            "let now = std::time::Instant::now();",
            "std::time::Instant",
            true,
        ),
        ("use std::time;", "std::time::Instant", true),
        (
            "use std::time::{self, Duration};",
            "std::time::Instant",
            true,
        ),
        ("use std::time::*;", "std::time::Instant", true),
        ("use std::time::Duration;", "std::time::Instant", false),
        ("use rand::{rng, Rng};", "rand::rng", true),
        ("use rand::rngs::StdRng;", "rand::rng", false),
        ("fn f() { tokio::spawn(x) }", "tokio", true),
        ("let hyperbola = my::tokio;", "tokio", false),
    ];
    for (text, what, expected) in cases {
        let is_seen = paths(text).iter().any(|(_, path)| reaches(path, what));
        assert_eq!(is_seen, expected, "{what} in {text}");
    }
}

/// A source file and where in the tree of modules it is.
struct File {
    path: PathBuf,
    room: String,
    /// So many times `super` lead out of it to the crate's root.
    depth: usize,
}

impl File {
    fn new(path: PathBuf) -> Self {
        let inner = path.strip_prefix("src").unwrap().with_extension("");
        let names: Vec<_> = inner.iter().map(|name| name.to_string_lossy()).collect();
        let is_index = names.last().is_some_and(|name| name == "mod");
        Self {
            room: names[0].to_string(),
            depth: names.len() - usize::from(is_index),
            path,
        }
    }

    /// The room that a path from the crate's root leads into.
    fn room_named<'a>(&self, path: &[&'a str]) -> Option<&'a str> {
        let supers = path.iter().take_while(|name| **name == "super").count();
        let room = match path[0] {
            "crate" | "whisperchat" => path.get(1),
            "super" if supers >= self.depth => path.get(supers),
            _ => None,
        }?;
        rooms().map(|(known, _)| known).find(|known| known == room)
    }
}

/// Whether a path leads to or through `what`, or brings in the module that holds it as a whole.
fn reaches(path: &[&str], what: &str) -> bool {
    let what: Vec<_> = what.split("::").collect();
    let (holder, is_whole) = match path {
        [holder @ .., "self" | "*"] => (holder, true),
        _ => (path, path.len() > 1),
    };
    path.starts_with(&what) || (is_whole && !holder.is_empty() && what.starts_with(holder))
}

/// Asks about every path in every source file; what is wrong comes back with its file and line.
fn offences(problem: impl Fn(&File, &[&str]) -> Option<String>) -> Vec<String> {
    let mut offences = Vec::new();
    for file in files() {
        let text = fs::read_to_string(&file.path).unwrap();
        for (line, path) in paths(&text) {
            if let Some(problem) = problem(&file, &path) {
                offences.push(format!("{}:{line}: {problem}", file.path.display()));
            }
        }
    }
    offences
}

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// Every source file. Tests run in the package's root.
fn files() -> Vec<File> {
    let mut folders = vec![Path::new("src").to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(File::new(path));
            }
        }
    }
    files
}

/// Every path in a source text with its line, those in the braces of an import written out.
///
/// Comments are left out. Strings are read as if they were code, which can only make the tests stricter
/// as long as nothing follows a `//` in a string on its line.
fn paths(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut paths = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    // For each open brace the path before it, empty if it is no import's.
    let mut braces: Vec<Vec<&str>> = Vec::new();
    let mut goes_on = false;
    for (line, token) in tokens(text) {
        let is_name = token.starts_with(is_word) || (goes_on && token == "*");
        if token == "::" {
            goes_on = true;
            continue;
        }
        if goes_on && token == "{" {
            braces.push(std::mem::take(&mut path));
        } else if !(goes_on && is_name) {
            if !path.is_empty() {
                paths.push((line, std::mem::take(&mut path)));
            }
            match token {
                "{" => braces.push(Vec::new()),
                "}" => drop(braces.pop()),
                _ => {}
            }
        }
        if is_name {
            if path.is_empty() && !goes_on {
                path.extend(braces.last().into_iter().flatten());
            }
            path.push(token);
        }
        goes_on = false;
    }
    paths
}

/// Words, `::`, and every other character that is not white space, with their lines.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let mut rest = line.split("//").next().unwrap_or_default();
        std::iter::from_fn(move || {
            rest = rest.trim_start();
            let first = rest.chars().next()?;
            let len = if is_word(first) {
                rest.find(|char| !is_word(char)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(len);
            rest = after;
            Some((index + 1, token))
        })
    })
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
