//! `make capability`: what it writes is whole, named in every layer, and speaks of nothing but itself.
//!
//! What it copies is built and lives as `specimen`; in the long form its copies are built and tried as well.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::chaos;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A copy of the project, and `make capability` in it.
fn with_capability(names: &[&str]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for part in [
        ".cargo",
        ".sqlx",
        "Cargo.lock",
        "Cargo.toml",
        "api",
        "clippy.toml",
        "commands",
        "docs",
        "domain",
        "infra",
        "migrations",
        "projections",
        "rustfmt.toml",
        "tests",
    ] {
        let copied = Command::new("cp").arg("-r").arg(root().join(part)).arg(copy.path()).status();
        assert!(copied.unwrap().success(), "{part}");
    }
    for name in names {
        let mut script = Command::new(root().join("infra/capability.sh"));
        let output = script.env("NAME", name).env("ROOT", copy.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    copy
}

fn read(copy: &Path, file: &str) -> String {
    fs::read_to_string(copy.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn six_files_are_written_and_each_layer_names_them() {
    let copy = with_capability(&["commerce/coupon", "marketing/gift_card"]);
    let migrations: Vec<String> = fs::read_dir(copy.path().join("migrations"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    for (context, name, row) in [("commerce", "coupon", "Coupons"), ("marketing", "gift_card", "GiftCards")] {
        let table = migrations.iter().find(|file| file.ends_with(&format!("_{context}_{name}.sql")));
        let table = format!("migrations/{}", table.expect("its table has a migration"));
        let mut files = vec![table, format!("tests/it/{context}/{name}.rs")];
        files.extend(
            ["domain", "commands", "projections", "api"].map(|l| format!("{l}/src/{context}/{name}.rs")),
        );
        for file in files {
            let text = read(copy.path(), &file);
            assert!(!text.to_lowercase().contains("specimen") && !text.contains("CartId"), "{file}: {text}");
        }
        for list in ["domain/src", "commands/src", "projections/src", "api/src", "tests/it"] {
            let text = read(copy.path(), &format!("{list}/{context}.rs"));
            assert!(text.contains(&format!("mod {name};")), "{list}: {text}");
        }
        let views = read(copy.path(), &format!("projections/src/{context}.rs"));
        assert!(views.contains(&format!("Runtime::<{name}::{row}>::default()")), "{views}");
        let routes = read(copy.path(), &format!("api/src/{context}.rs"));
        assert!(routes.contains(&format!(".merge({name}::routes())")), "{routes}");
    }
    let paths = read(copy.path(), "api/src/commerce/coupon.rs");
    assert!(paths.contains("\"/api/ecommerce/coupons/{id}\""), "{paths}");
    let paths = read(copy.path(), "api/src/marketing/gift_card.rs");
    assert!(paths.contains("\"/api/marketing/gift-cards/{id}\""), "{paths}");
    assert!(read(copy.path(), "projections/src/lib.rs").contains("marketing::views()"));
    assert!(read(copy.path(), "api/src/routes.rs").contains(".merge(marketing::routes())"));
    if chaos::long() {
        must_pass(copy.path());
    }
}

/// Builds the copy, and runs the tests of what was added and the rules of the house.
fn must_pass(copy: &Path) {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    for (package, tests) in [
        ("domain", "coupon"),
        ("projections", "gift_card"),
        ("tests", "coupon"),
        ("tests", "gift_card"),
        ("tests", "architecture"),
    ] {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(copy).env("CARGO_TARGET_DIR", &target);
        let output = cargo.args(["test", "--package", package, tests]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!told.contains("running 0 tests\n\ntest result") || told.contains("... ok"), "{told}");
    }
}

#[test]
fn what_cannot_be_named_so_is_not_begun() {
    for (name, told) in [
        ("coupon", "NAME is <context>/<capability>"),
        ("commerce/Coupon", "NAME is <context>/<capability>"),
        ("shop/coupon", "there is no context shop"),
        ("commerce/cart", "domain/src/commerce/cart.rs is there already"),
    ] {
        let output = Command::new(root().join("infra/capability.sh")).env("NAME", name).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), error.contains(told)), (Some(2), true), "{name}: {error}");
    }
}
