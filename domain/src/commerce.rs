//! Commerce.

pub mod cart;
pub mod checkout;
pub mod order;
pub mod order_number;
pub mod order_reference;
pub mod product;
pub mod shop;
pub mod sku;
pub mod stock;
