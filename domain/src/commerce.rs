//! Commerce.

pub mod cart;
pub mod checkout;
pub mod order;
pub mod product;
pub mod sku;
pub mod stock;
