//! Finance: payments and refunds.

pub mod payment;
pub mod refund;

use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![Box::new(Runtime::<payment::Payments>::default()), Box::new(Runtime::<refund::Refunds>::default())]
}
