//! HTTP: what lies between a request and a handler, and between what it says and an answer.

pub mod answer;
pub(crate) mod border;
pub mod extract;
pub mod fresh;
pub mod history;
pub mod json;
pub mod key;
pub mod limits;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod schema;
pub mod server;
pub mod text;
pub(crate) mod turns;
