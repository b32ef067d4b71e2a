//! The workbench of the tests.

pub mod answer;
pub mod app;
pub mod chaos;
pub mod client;
pub mod database;
pub mod kafka;
pub mod keys;
pub mod log;
pub mod people;
pub mod postgres;
pub mod process;
pub mod shortage;
pub mod stripe;
