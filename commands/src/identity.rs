//! Identity.

pub mod account;
pub mod api_key;
pub mod denial;
pub mod email;
pub mod invitation;
pub mod membership;
pub mod party;
pub mod password;
pub mod profile;
pub mod role;
pub mod session;
pub mod subject;
pub mod two_factor;
pub mod workspace;
