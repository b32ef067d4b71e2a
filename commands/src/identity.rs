//! Identity.

pub mod api_key;
pub mod subject;
pub mod workspace;
