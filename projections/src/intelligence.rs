//! Intelligence: figures.

pub mod dashboard;
