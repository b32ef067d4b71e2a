//! Identity: who people are, who is signed in, where people act together, and what they may do there.

pub mod api_key;
pub mod invitation;
pub mod membership;
pub mod party;
pub mod profile;
pub mod role;
pub mod session;
pub mod workspace;

use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![
        Box::new(Runtime::<api_key::ApiKeys>::default()),
        Box::new(Runtime::<invitation::Invitations>::default()),
        Box::new(Runtime::<membership::Members>::default()),
        Box::new(Runtime::<membership::Places>::default()),
        Box::new(Runtime::<party::Counterparts>::default()),
        Box::new(Runtime::<party::Parties>::default()),
        Box::new(Runtime::<profile::Profiles>::default()),
        Box::new(Runtime::<role::Roles>::default()),
        Box::new(Runtime::<session::Sessions>::default()),
        Box::new(Runtime::<workspace::Workspaces>::default()),
    ]
}
