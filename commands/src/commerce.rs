//! Commerce: acting on what is for sale, in stock and ordered.

pub mod cart;
pub mod checkout;
pub mod order;
pub mod product;
pub mod shop;
pub mod stock;
