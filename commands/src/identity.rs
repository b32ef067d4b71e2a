//! Identity.

pub mod api_key;
pub mod workspace;
