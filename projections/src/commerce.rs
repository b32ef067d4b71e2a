//! Commerce: what is remembered of what is for sale, in stock and ordered.

pub mod cart;
pub mod order;
pub mod product;
pub mod stock_level;
