//! Boundaries between crates: dependencies that a crate must not have, whatever else changes in the workspace.
//!
//! To guard another crate, add a [`Wall`].

use std::collections::BTreeSet;
use std::process::Command;

/// A crate, and packages that it must not depend on, directly or indirectly. A name ending in `*` matches every package
/// with that prefix.
struct Wall {
    package: &'static str,
    without: &'static [&'static str],
}

const WALLS: [Wall; 3] = [
    // an auditor reads only this crate: no prover, no statements, no network, no database
    Wall {
        package: "tribute-verify",
        without: &["tribute-engine", "tribute-circuits", "sqlx*", "tonic*", "tokio*", "alloy*", "reqwest", "hyper"],
    },
    // the proof system contains no statement
    Wall {
        package: "tribute-engine",
        without: &["tribute-circuits", "tribute-verify", "sqlx*", "tonic*", "tokio*", "alloy*"],
    },
    // a client only signs and sends requests: no prover, no circuits, no database, no server (tonic's server needs
    // axum)
    Wall {
        package: "tribute-client",
        without: &["tribute-engine", "tribute-circuits", "tribute-custody", "tribute-steps", "halo2*", "sqlx*", "axum"],
    },
];

/// Packages that `package` depends on, direct ones only or all, without itself and without dev-dependencies.
fn dependencies(package: &str, direct: bool) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "--edges", "no-dev", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "--package", package]);
    if direct {
        cargo.args(["--depth", "1"]);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    // each line is `name v1.2.3 (path)`; the first is the package itself
    lines.lines().skip(1).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn breaches(found: &BTreeSet<String>, without: &[&str]) -> Vec<String> {
    let forbidden =
        |name: &String| without.iter().any(|w| w.strip_suffix('*').map_or(name == w, |start| name.starts_with(start)));
    found.iter().filter(|name| forbidden(name)).cloned().collect()
}

#[test]
fn no_wall_is_breached() {
    for wall in WALLS {
        let found = dependencies(wall.package, false);
        assert!(found.contains("tribute-core"), "{}: {found:?}", wall.package);
        assert_eq!(breaches(&found, wall.without), [""; 0], "{} must build without these", wall.package);
    }
}

#[test]
fn the_verifier_depends_on_these_and_nothing_else() {
    let expected = ["ark-bn254", "ark-ec", "ark-ff", "halo2-axiom", "thiserror", "tribute-core"];
    assert_eq!(dependencies("tribute-verify", true).iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// The check can fail: the circuits depend on packages that the verifier must not use.
#[test]
fn a_breach_is_seen() {
    let found = dependencies("tribute-circuits", false);
    let of = |without: &[&str]| breaches(&found, without);
    assert_eq!(of(&["tribute-engine", "tonic*"]), ["tribute-engine"]);
    assert_eq!(of(&["tribute-e*"]), ["tribute-engine"]);
    assert_eq!(of(&["tribute-engin", "no-such-*"]), [""; 0]);
}
