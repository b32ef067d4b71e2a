//! Payments: who moves the money, as the options say, and what is heard of it.

use std::sync::Arc;

use anyhow::Context as _;
use commands::Intake;
use commands::port::payment::PaymentGateway;
use commands::port::payment::notice::Listener;
use infra::adapter::gateway::{GatewayClient, GatewayNotices};
use infra::adapter::notices::PgNotices;
use infra::adapter::providers::Providers;
use infra::adapter::stripe::client::Client;
use infra::adapter::stripe::{StripeGateway, StripeNotices};
use infra::config::Provider;

use crate::job::base::Base;

/// # Errors
/// If the provider cannot be spoken to at all.
pub(super) fn intake(base: &Base) -> anyhow::Result<Intake> {
    let (provider, listeners) = provider(base)?;
    Ok(Intake {
        store: base.store.clone(),
        clock: base.clock.clone(),
        gateway: Arc::new(Providers { provider }),
        listeners,
        notices: Arc::new(PgNotices(base.pool.clone())),
    })
}

type Provided = (Option<Arc<dyn PaymentGateway>>, Vec<Arc<dyn Listener>>);

/// Where no secret is agreed on, every notice is refused.
fn provider(base: &Base) -> anyhow::Result<Provided> {
    let (gateway, stripe) = (&base.config.gateway, &base.config.stripe);
    Ok(match base.config.payments.provider {
        Provider::Simulated => {
            let secrets = gateway.webhook_secret.iter().cloned().collect();
            let client = GatewayClient::new(&gateway.url, gateway.timeout)?;
            (Some(Arc::new(client)), vec![Arc::new(GatewayNotices { secrets })])
        }
        Provider::Stripe => {
            let key = stripe.secret_key.as_ref().context("stripe.secret_key is missing")?;
            let client = StripeGateway {
                client: Client::new(&stripe.url, key, stripe.timeout)?,
                clock: base.clock.clone(),
                return_url: stripe.return_url.clone(),
                cancel_url: stripe.cancel_url.clone(),
                methods: stripe.methods.clone(),
            };
            let secrets = stripe.all_webhook_secrets();
            (Some(Arc::new(client)), vec![Arc::new(StripeNotices { secrets })])
        }
        Provider::Manual => (None, Vec::new()),
    })
}
