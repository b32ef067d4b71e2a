//! Identity.

pub mod account;
pub mod api_key;
pub mod denial;
pub mod email;
pub mod invitation;
pub mod membership;
pub mod password;
pub mod role;
pub mod session;
pub mod subject;
pub mod workspace;
