//! Ports: what the commands side asks of the world, each with its words and a tested fake.

pub mod credential;
pub mod mail;
pub mod password;
pub mod payment;
pub mod vault;

use std::sync::Arc;

/// The ports that effects call.
#[derive(Clone)]
pub struct Ports {
    pub payment: Arc<dyn payment::PaymentGateway>,
    pub vault: Arc<dyn vault::Vault>,
    pub credentials: Arc<dyn credential::Credentials>,
}
