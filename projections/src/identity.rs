//! Identity: who is signed in.

pub mod session;

use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![Box::new(Runtime::<session::Sessions>::default())]
}
