//! Commerce: what is remembered of what is for sale, in stock and ordered.

pub mod cart;
pub mod order;
pub mod product;
pub mod stock;

use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![
        Box::new(Runtime::<cart::Carts>::default()),
        Box::new(Runtime::<order::Orders>::default()),
        Box::new(Runtime::<product::Products>::default()),
        Box::new(Runtime::<stock::StockLevels>::default()),
    ]
}
