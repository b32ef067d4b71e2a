//! Ports: what the commands side asks of the world, each with its words and a tested fake.

pub mod mail;
pub mod payment;
pub mod vault;
