//! The binary holds the migrations: a new one makes it anew.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
