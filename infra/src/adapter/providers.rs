//! Providers: whoever moves cards' money, and bank transfers beside it, behind one port.
//!
//! A payment's method says whose it is, and later its reference.

use std::sync::Arc;

use async_trait::async_trait;
use commands::port::payment::{
    Authorisation, Authorise, Capture, Captured, Charge, GatewayError, PaymentGateway, Refund, Refunded,
    Void, Which,
};

use super::manual::{BANK_TRANSFER, ManualTransfers};

/// One provider for everything but bank transfers; where there is none, all else is declined.
#[derive(Clone)]
pub struct Providers {
    pub provider: Option<Arc<dyn PaymentGateway>>,
}

type Answer<T> = Result<T, GatewayError>;

impl Providers {
    fn of_reference(&self, reference: &str) -> Answer<&dyn PaymentGateway> {
        if ManualTransfers::knows(reference) { Ok(&ManualTransfers) } else { self.provider() }
    }

    fn provider(&self) -> Answer<&dyn PaymentGateway> {
        self.provider.as_deref().ok_or_else(|| GatewayError::Rejected("only_bank_transfers".into()))
    }
}

#[async_trait]
impl PaymentGateway for Providers {
    async fn authorise(&self, ask: &Authorise) -> Answer<Authorisation> {
        match ask.method.as_str() {
            BANK_TRANSFER => ManualTransfers.authorise(ask).await,
            _ => self.provider()?.authorise(ask).await,
        }
    }

    async fn capture(&self, ask: &Capture) -> Answer<Captured> {
        self.of_reference(&ask.charge)?.capture(ask).await
    }

    async fn void(&self, ask: &Void) -> Answer<()> {
        self.of_reference(&ask.charge)?.void(ask).await
    }

    async fn refund(&self, ask: &Refund) -> Answer<Refunded> {
        self.of_reference(&ask.charge)?.refund(ask).await
    }

    async fn find(&self, which: &Which) -> Answer<Option<Charge>> {
        match which {
            Which::OfReference(reference) => self.of_reference(reference)?.find(which).await,
            Which::OfAttempt(_) => self.provider()?.find(which).await,
        }
    }
}
