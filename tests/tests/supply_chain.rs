//! What the programs are built from: where it comes from, under which licences, and what must not come back.

use cargo_metadata::{MetadataCommand, Package};

/// Licences that ask for no more than their text being kept.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are not to be used, and why.
const BANNED: [(&str, &str); 6] = [
    (
        "openssl-sys",
        "a second TLS, and a C library that machines have in many versions: TLS is rustls on ring",
    ),
    ("native-tls", "it brings openssl-sys"),
    ("aws-lc-sys", "a second crypto backend with a long C build: TLS is rustls on ring"),
    ("rsa", "RUSTSEC-2023-0071 has no fix; tokens are signed with Ed25519"),
    ("typst", "300 crates for one report"),
    ("async-std", "one runtime: tokio"),
];

fn dependencies() -> Vec<Package> {
    let metadata = MetadataCommand::new().other_options(["--locked".to_owned()]).exec();
    let packages = metadata.expect("cargo tells what it builds").packages;
    packages.into_iter().filter(|package| package.source.is_some()).collect()
}

/// Whether one of the allowed licences will do for each part of an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0`.
fn is_allowed(expression: &str) -> bool {
    expression
        .replace(['(', ')'], "")
        .replace('/', " OR ")
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

#[test]
fn every_dependency_comes_from_the_registry_and_may_be_given_on() {
    let packages = dependencies();
    assert!(packages.len() > 100, "only {} dependencies", packages.len());
    for package in packages {
        let source = package.source.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(source.starts_with("registry+"), "{} comes from {source}", package.name);
        let licence = package.license.as_deref().unwrap_or("none");
        assert!(is_allowed(licence), "{} {}: its licence is {licence}", package.name, package.version);
    }
}

#[test]
fn what_was_banned_stays_out() {
    for package in dependencies() {
        for (name, reason) in BANNED {
            assert!(package.name.as_str() != name, "{name} is back: {reason}");
        }
    }
}

#[test]
fn an_expression_of_licences_is_read_as_it_is_meant() {
    for allowed in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["", "none", "GPL-3.0", "MIT AND GPL-3.0", "AGPL-3.0 OR SSPL-1.0"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}
