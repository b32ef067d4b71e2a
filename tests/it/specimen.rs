//! The specimen: what `make capability` copies, as a capability of the tests' own, so that it is built and lives.

mod api;
mod commands;
mod domain;
mod life;
mod projection;

use ::projections::Runtime;
use ::tests::app::TestApp;

/// The platform, with specimens.
async fn start() -> TestApp {
    let view = Box::new(Runtime::<projection::Specimens>::default());
    TestApp::with_capability(include_str!("specimen/table.sql"), view, api::routes()).await
}
