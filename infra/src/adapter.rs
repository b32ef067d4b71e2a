//! Adapters: one file per vendor, each implementing a port.

pub mod credentials;
pub mod gateway;
pub mod hand_overs;
pub mod manual;
pub mod notices;
pub mod passwords;
pub mod providers;
pub mod smtp;
pub mod stripe;
pub mod vault;
