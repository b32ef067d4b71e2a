//! Adapters: one file per vendor, each implementing a port.

pub mod gateway;
pub mod hand_overs;
pub mod smtp;
pub mod vault;
