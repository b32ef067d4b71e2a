//! Infra: what touches the world.

pub mod adapter;
pub mod config;
pub mod gateway;
pub mod inbox;
pub mod log;
pub mod relay;
pub mod subscription;
pub mod telemetry;
pub mod watch;
