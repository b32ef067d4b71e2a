//! Commerce over HTTP, from the request to the read model.

mod cart;
mod checkout;
mod order;
mod product;
mod shop;
mod stock;
