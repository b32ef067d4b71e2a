//! HTTP: what every route answers, shown on a few routes of the tests' own.

mod bodies;
mod commands;
mod conditional;
mod connections;
pub mod document;
mod jar;
mod keys;
mod logs;
mod platform;
mod reads;
mod requests;
mod scopes;
mod server;
mod smuggling;
