//! API: what the world may ask over HTTP, and how it is answered.
//!
//! A handler extracts, calls one function and answers. Who asks, how often, how much and for how long is decided
//! before it, at the border; what went wrong is told after it, in one form.

pub mod answer;
pub mod app;
mod border;
pub mod commerce;
pub mod extract;
pub mod finance;
pub mod fresh;
pub mod history;
pub mod intelligence;
pub mod json;
pub mod key;
pub mod limits;
pub mod openapi;
pub mod page;
pub mod platform;
pub mod port;
pub mod problem;
pub mod routes;
pub mod schema;
pub mod server;
pub mod text;
mod turns;

pub use app::App;
