//! `/api/payments/checkout/session`: an order that is paid at the provider's page.
//!
//! A session is an order and its payment: it is made, has an address where the buyer pays as soon as the provider gives
//! one, and is looked at until it is complete. It is called as its order is.

use chrono::{DateTime, Utc};
use commands::commerce::order::{self, ContentsAsked, LineAsked, PlacingAsked};
use commands::finance::payment;
use commands::ids::payment_of;
use domain::commerce::order::{Phase, Settlement};
use domain::currency::CurrencyInUse;
use domain::finance::payment::{NextStep, PaymentStatus};
use domain::ids::{CustomerId, Location, OrderId, PaymentId, Sku};
use domain::money::Money;
use projections::commerce::order::{OrderView, Orders};
use projections::finance::payment::{PaymentView, Payments};
use projections::{View, find};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Shown};
use crate::app::App;
use crate::extract::{Creation, Id, Path, Show};
use crate::fresh::MinPosition;
use crate::problem::{Problem, Result};
use crate::read::Read;
use crate::scope::needs;

const SESSIONS: &str = "/api/payments/checkout/session";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(order::PLACE, routes!(open)))
        .routes(needs(payment::READ, routes!(session)))
}

/// What is bought at the provider's page. Prices are the catalogue's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCheckoutSession {
    customer_id: CustomerId,
    currency: CurrencyInUse,
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<CheckoutItem>,
    /// What the buyer may pay with; what is set up for all, if it is not said.
    #[serde(default)]
    #[schema(max_items = 4)]
    methods: Vec<CheckoutMethod>,
}

/// A package, or so many of a SKU.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckoutItem {
    /// The SKU of what is bought.
    package_id: Sku,
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    /// Where it is taken from; left out for what needs no stock.
    location: Option<Location>,
}

const fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CheckoutMethod {
    Card,
    ApplePay,
    GooglePay,
    Paypal,
}

/// How paying at the provider's page stands.
#[derive(Debug, Serialize, ToSchema)]
struct CheckoutSession {
    id: OrderId,
    payment_id: PaymentId,
    status: CheckoutSessionStatus,
    amount: Money,
    /// Where the buyer pays, while it is open.
    url: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    /// How the payment stands; none before there is one.
    payment_status: Option<PaymentStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CheckoutSessionStatus {
    /// The provider was not asked yet, or has not answered.
    Preparing,
    /// The buyer can pay.
    Open,
    /// The money is held, and being taken.
    Processing,
    Complete,
    /// It was not paid: another one may do.
    Expired,
}

/// Buy something at the payment provider's page.
#[utoipa::path(post, path = "/api/payments/checkout/session", tag = "payment",
    request_body = NewCheckoutSession, responses(Created))]
async fn open(Creation(cx, body): Creation<NewCheckoutSession>) -> Result<Created> {
    let placing = PlacingAsked {
        settlement: Settlement::Checkout,
        payment_method: Some(method(&body.methods)),
        totals_hash: None,
        waits: None,
    };
    let customer = body.customer_id;
    let outcome = order::submit(cx, customer, None, contents(body), placing).await?;
    Ok(Created::at(SESSIONS, outcome))
}

/// Tell how buying something at the payment provider's page stands.
#[utoipa::path(get, path = "/api/payments/checkout/session/{id}", tag = "payment",
    params(Id<OrderId>, MinPosition), responses((status = 200, body = CheckoutSession)))]
async fn session(
    read: Read,
    Path(of): Path<Id<OrderId>>,
    Show(fresh): Show,
) -> Result<Shown<CheckoutSession>> {
    let order = read.one::<Orders>(of.id, &fresh).await?;
    fresh.reached(&read.app, <Payments as View>::NAME).await?;
    let paid = find::<Payments>(&read.app.reads, read.cx.workspace, payment_of(of.id)).await;
    let paid = paid.map_err(|_| Problem::unavailable())?.value;
    Ok(Shown { position: order.position, version: order.version, body: stand(&order.body, paid.as_ref()) })
}

fn contents(body: NewCheckoutSession) -> ContentsAsked {
    let line = |item: CheckoutItem| LineAsked {
        sku: item.package_id,
        quantity: item.quantity,
        location: item.location,
        title: None,
        unit_price: None,
        total: None,
        tax: None,
    };
    let lines = body.items.into_iter().map(line).collect();
    ContentsAsked { currency: body.currency.into(), lines, discount: None, shipping: None, tax: None }
}

/// The word for it: `checkout`, `checkout:card,paypal`.
fn method(kinds: &[CheckoutMethod]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for kind in kinds {
        // Wallets of cards are cards to whoever is asked for them.
        let word = match kind {
            CheckoutMethod::ApplePay | CheckoutMethod::GooglePay | CheckoutMethod::Card => "card",
            CheckoutMethod::Paypal => "paypal",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() { "checkout".to_owned() } else { format!("checkout:{}", words.join(",")) }
}

fn stand(order: &OrderView, payment: Option<&PaymentView>) -> CheckoutSession {
    use {CheckoutSessionStatus as S, PaymentStatus as P};
    let next = payment.and_then(|payment| payment.next_step.as_ref());
    let (url, expires_at) = match next {
        Some(NextStep::Redirect { url, expires_at }) => (Some(url.clone()), *expires_at),
        _ => (None, None),
    };
    let over = matches!(order.status, Phase::Cancelled | Phase::Expired);
    let payment_status = payment.map(|payment| payment.status);
    let status = match payment_status {
        Some(P::Succeeded | P::PartiallyCaptured) => S::Complete,
        Some(P::Cancelled | P::Expired | P::Failed) => S::Expired,
        _ if over => S::Expired,
        _ if url.is_some() => S::Open,
        None | Some(P::RequiresConfirmation | P::RequiresPaymentMethod) if next.is_none() => match payment {
            Some(payment) if payment.attempts.iter().any(|attempt| attempt.code.is_some()) => S::Expired,
            _ => S::Preparing,
        },
        Some(P::RequiresCapture | P::Conflicted) => S::Processing,
        _ if next.is_some() => S::Processing,
        _ => S::Preparing,
    };
    let id = order.stem.id;
    CheckoutSession {
        id,
        payment_id: payment_of(id),
        status,
        amount: order.total,
        url: url.filter(|_| status == S::Open),
        expires_at,
        payment_status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_of_cards_are_cards_and_named_once() {
        use CheckoutMethod as M;
        assert_eq!(method(&[]), "checkout");
        assert_eq!(method(&[M::ApplePay, M::GooglePay, M::Card]), "checkout:card");
        assert_eq!(method(&[M::Card, M::Paypal]), "checkout:card,paypal");
    }
}
