//! The house rules that neither the compiler nor the crates keep (docs/architecture.md).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use domain::CONTEXTS;

const LAYERS: [&str; 5] = ["domain", "commands", "projections", "infra", "api"];
/// Where code is.
const SOURCES: [&str; 9] = [
    "domain/src",
    "commands/src",
    "commands/failpoint/src",
    "projections/src",
    "infra/src",
    "api/src",
    "api/mewayz/src",
    "tests/src",
    "tests/it",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below a folder, with its text.
fn files(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "there are no files in {folder}");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// A file's code: without its tests, comments and texts.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    before_tests
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The capabilities of a layer: context → names of the files right in its folder.
fn capabilities(layer: &str) -> BTreeMap<&'static str, BTreeSet<String>> {
    CONTEXTS
        .into_iter()
        .map(|context| {
            let folder = root().join(layer).join("src").join(context);
            let names = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| {
                let path = entry.unwrap().path();
                (path.extension()? == "rs").then(|| path.file_stem().unwrap().to_str().unwrap().to_owned())
            });
            (context, names.collect())
        })
        .collect()
}

#[test]
fn a_crate_names_only_what_stands_below_it() {
    let below: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("domain", &[][..]),
        ("commands", &["domain"]),
        ("projections", &["domain"]),
        ("infra", &["commands", "domain", "projections"]),
        ("api", &["commands", "domain", "projections"]),
        ("api/mewayz", &["api", "commands", "domain", "infra", "projections"]),
    ]);
    for layer in below.keys() {
        let manifest = fs::read_to_string(root().join(layer).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        let named: BTreeSet<&str> = dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| LAYERS.contains(name))
            .collect();
        assert_eq!(named, below[layer].iter().copied().collect(), "what {layer} depends on");
    }
}

#[test]
fn every_layer_speaks_only_of_capabilities_the_domain_knows() {
    let known = capabilities("domain");
    // Read models over several capabilities, and what the transport itself needs (systems.md marks them as views).
    let views = BTreeSet::from([
        "dashboard",
        "currency",
        "invariant",
        "ledger_entry",
        "ledger_report",
        "webhook",
        "docs",
        "health",
        "metrics",
        "monitoring",
    ]);
    for layer in ["commands", "projections", "api"] {
        for (context, names) in capabilities(layer) {
            for name in names {
                assert!(
                    known[context].contains(&name) || views.contains(name.as_str()),
                    "{layer}/src/{context}/{name}.rs: the domain has no {context}/{name}"
                );
            }
        }
    }
}

#[test]
fn a_capability_of_the_domain_never_names_another() {
    for (context, names) in capabilities("domain") {
        for name in &names {
            let own = format!("domain/src/{context}/{name}");
            for (file, text) in files("domain/src")
                .iter()
                .filter(|(file, _)| *file == format!("{own}.rs") || file.starts_with(&format!("{own}/")))
            {
                for (other_context, others) in capabilities("domain") {
                    for other in others.iter().filter(|other| (other_context, *other) != (context, name)) {
                        let named = format!("{other_context}::{other}");
                        assert!(!code(text).contains(&named), "{file} names {named}");
                        let sister = format!("super::super::{other}::");
                        assert!(!code(text).contains(&sister), "{file} names {sister}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for (file, text) in files("domain/src").iter().filter(|(file, _)| !file.ends_with("kernel.rs")) {
        for impure in [
            "Utc::now", "now_v7", "new_v4", "async fn", "sqlx", "tokio", "cqrs_es", "std::fs", "std::env",
            "rand::",
        ] {
            assert!(!code(text).contains(impure), "{file} has {impure}");
        }
    }
}

#[test]
fn processes_are_pure_and_projections_know_no_clock() {
    for folder in ["commands/src/process", "projections/src"] {
        for (file, text) in files(folder) {
            for impure in ["Utc::now", "now_v7()", "new_v4", "SystemTime", "Instant::now"] {
                assert!(!code(&text).contains(impure), "{file} has {impure}");
            }
        }
    }
    for (file, text) in files("commands/src/process") {
        assert!(!code(&text).contains("async fn"), "{file} waits for something");
    }
}

#[test]
fn nothing_is_written_from_a_read_model() {
    for (file, text) in files("commands/src") {
        assert!(!code(&text).contains("read."), "{file} reads a read model");
    }
}

#[test]
fn sql_stands_in_the_store_the_views_and_the_subscriptions() {
    for (file, text) in files("api/src") {
        assert!(
            file.starts_with("api/src/platform/") || !code(&text).contains("sqlx::query"),
            "{file} has SQL of its own"
        );
    }
}

#[test]
fn every_file_says_what_it_is_and_is_no_drawer() {
    for folder in SOURCES {
        for (file, text) in files(folder) {
            assert!(text.starts_with("//! "), "{file} does not say what it is");
            assert!(!is_drawer(Path::new(&file)), "{file} is a drawer");
        }
    }
    let scripts = fs::read_dir(root().join("infra")).unwrap();
    for file in scripts.map(|entry| entry.unwrap().path()) {
        assert!(!is_drawer(&file), "{} is a drawer", file.display());
    }
}

fn is_drawer(file: &Path) -> bool {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    ["util", "utils", "common", "helper", "helpers", "misc"].contains(&stem)
}

/// A file that no list names is not compiled, and the compiler does not say so.
#[test]
fn every_file_is_compiled() {
    for folder in SOURCES {
        let files = files(folder);
        let is_root =
            |file: &str| ["lib.rs", "main.rs"].iter().any(|root| file == format!("{folder}/{root}"));
        for (file, _) in files.iter().filter(|(file, _)| !is_root(file)) {
            let path = Path::new(file);
            let beside = path.parent().unwrap().with_extension("rs");
            let is_beside = |list: &str| Path::new(list) == beside;
            let has_own_list = files.iter().any(|(list, _)| is_beside(list));
            let line = format!("mod {};", path.file_stem().unwrap().to_str().unwrap());
            let named = files
                .iter()
                .filter(|(list, _)| if has_own_list { is_beside(list) } else { is_root(list) })
                .flat_map(|(_, text)| text.lines())
                .any(|written| {
                    written.trim_start().trim_start_matches("pub").trim_start_matches("(crate)").trim()
                        == line
                });
            assert!(named, "{file} is not compiled: its list has no `{line}`");
        }
    }
}

#[test]
fn every_process_is_run_and_every_view_is_folded() {
    let listed = |file: &str, named: String| {
        let list = Path::new(file).parent().unwrap().with_extension("rs");
        let text = fs::read_to_string(root().join(&list)).unwrap();
        assert!(text.contains(&named), "{file}: add `{named}` to the list in {}", list.display());
    };
    for (file, text) in files("commands/src/process") {
        let stem = Path::new(&file).file_stem().unwrap().to_str().unwrap();
        if text.contains("impl Process for ") {
            listed(&file, format!("Box::new({stem}::"));
        }
        if text.contains("impl Follow for ") {
            listed(&file, format!("Box::new(Following::new({stem}::"));
        }
    }
    for (file, text) in CONTEXTS
        .iter()
        .filter(|context| root().join("projections/src").join(context).exists())
        .flat_map(|context| files(&format!("projections/src/{context}")))
    {
        let stem = Path::new(&file).file_stem().unwrap().to_str().unwrap();
        let views = ["\nimpl View for ", "\nimpl StreamView for "].map(|begins| text.split(begins).skip(1));
        for view in views.into_iter().flatten().filter_map(|rest| rest.split(' ').next()) {
            listed(&file, format!("Runtime::<{stem}::{view}>::default()"));
        }
    }
}

#[test]
fn every_view_has_a_table() {
    let migrations: String = fs::read_dir(root().join("migrations"))
        .unwrap()
        .map(|migration| fs::read_to_string(migration.unwrap().path()).unwrap().replace('"', ""))
        .collect();
    for view in projections::all() {
        let table = format!("create table read.{} (", view.name());
        assert!(migrations.contains(&table), "no migration has `{table}`");
    }
}

#[test]
fn names_of_subscriptions_are_their_own() {
    let mut names: Vec<&str> = projections::all().iter().map(|view| view.name()).collect();
    names.extend(commands::process::all().iter().map(|process| process.name()));
    names.extend(commands::process::followers().iter().map(|follower| follower.name()));
    let all: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(all.len(), names.len(), "two subscriptions have one name");
}

#[test]
fn when_a_row_was_made_and_changed_means_the_same_in_every_read_model() {
    for (file, text) in files("projections/src").iter().filter(|(file, _)| !file.ends_with("src/stream.rs")) {
        for column in ["created_at:", "updated_at:"] {
            assert!(!code(text).contains(column), "{file} has a `{column}` of its own: `Stem` has it");
        }
    }
}

/// A file that was moved is named by nobody where it was.
#[test]
fn what_documents_name_is_there() {
    let folders = ["docs", "docs/adr"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let documents = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    for document in
        documents.chain([root().join("README.md")]).filter(|file| file.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(&document).unwrap();
        let named = text.split('`').skip(1).step_by(2).filter(|code| {
            let first = code.split('/').next().unwrap_or_default();
            let is_file = [".rs", ".sh", ".sql", ".toml", ".py"].iter().any(|end| code.ends_with(end));
            is_file && (LAYERS.contains(&first) || ["tests", "migrations"].contains(&first))
        });
        for file in named.filter(|file| !file.contains("coupon") && !file.contains(['<', '*', '…', ' '])) {
            assert!(root().join(file).exists(), "{} names {file}, which is not there", document.display());
        }
    }
}
