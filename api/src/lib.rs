//! API: what the world may ask over HTTP, and how it is answered.
//!
//! A handler extracts, calls one function and answers. Who asks, how often, how much and for how long is decided
//! before it, at the border; what went wrong is told after it, in one form.

pub mod app;
pub mod commerce;
pub mod finance;
pub mod http;
pub mod identity;
pub mod intelligence;
pub mod platform;
pub mod port;
pub mod routes;

pub use crate::http::{
    access_token, answer, beat, cookie, days, extract, fresh, history, json, key, limits, openapi, page,
    personal, problem, read, schema, scope, server, spreadsheet, text,
};
use crate::http::{border, decimal, turns};
pub use app::App;
