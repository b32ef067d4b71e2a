//! Adapters: one file per vendor, each implementing a port.

pub mod gateway;
