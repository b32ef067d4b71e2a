//! Extractors: what a handler gets of its request, or the problem with it.
//!
//! All of them answer problems, and none of them answers before the key was looked at.

mod body;
mod command;
mod context;
mod path;
mod person;
mod query;

pub use body::NoBody;
pub(crate) use body::read as read_body;
pub use command::{Command, Creation, PersonalCreation, SteppedUpCommand, SteppedUpCreation};
pub(crate) use context::{comer, denied};
pub use path::{Id, Path};
pub use person::{Device, Peer, Person, PersonCommand, PersonCreation, SteppedUp, Visit};
pub use query::{List, NoFilter, Query, Show};

use http::HeaderName;
use std::sync::Arc;

/// What makes a repeat of a request the same request.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The id of the request: the client's own if it brought one, or one made at the border.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);
