//! Projections: what is remembered for reading.
//!
//! Each read model is a [`view::View`]; [`runtime`] folds and writes given events. Reading the log, owning a
//! checkpoint and parking are not done here.

pub mod commerce;
pub mod days;
#[cfg(test)]
mod example;
pub mod finance;
pub mod identity;
pub mod intelligence;
pub mod reading;
pub mod runtime;
pub mod stream;
mod table;
pub mod view;

pub use reading::{After, Filter, Listing, Order, Page, Seen, find, page};
pub use runtime::{Failure, Projector, Runtime, Schema};
pub use stream::{Stem, StreamView};
pub use view::{Contribution, RowKey, Total, Touches, Unfoldable, View};

/// Every read model.
#[must_use]
pub fn all() -> Vec<Box<dyn Projector>> {
    [commerce::views(), finance::views(), identity::views(), intelligence::views()]
        .into_iter()
        .flatten()
        .collect()
}
