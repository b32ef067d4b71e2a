//! HTTP: what lies between a request and a handler, and between what it says and an answer.

pub mod access_token;
pub mod answer;
pub mod beat;
pub(crate) mod border;
pub mod cookie;
pub mod days;
pub(crate) mod decimal;
pub mod extract;
pub mod fresh;
pub mod history;
pub mod json;
pub mod key;
pub mod limits;
pub mod openapi;
pub mod page;
pub mod personal;
pub mod problem;
pub mod read;
pub mod schema;
pub mod scope;
pub mod server;
pub mod spreadsheet;
pub mod text;
pub(crate) mod turns;
