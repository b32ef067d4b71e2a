//! Adapters: one file per vendor, each implementing a port.

pub mod credentials;
pub mod gateway;
pub mod hand_overs;
pub mod passwords;
pub mod smtp;
pub mod vault;
