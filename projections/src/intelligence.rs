//! Intelligence: figures.

pub mod dashboard;

use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![Box::new(Runtime::<dashboard::Dashboard>::default())]
}
