//! Bodies that the routes of orders share, and the words in them.

use chrono::{DateTime, TimeDelta, Utc};
use commands::Context;
use commands::commerce::order::{ContentsAsked, HISTORY, LineAsked, PlacingAsked};
use domain::commerce::order::{CancelReason, Discount, Settlement, Shipping, Terms, Units};
use domain::currency::CurrencyInUse;
use domain::ids::{CustomerId, LineId, Location, Sku};
use domain::kernel::microseconds;
use domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{FieldError, Problem, Result};
use crate::schema::Price;

/// A whole order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    pub customer_id: CustomerId,
    currency: CurrencyInUse,
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<OrderLine>,
    discount: Option<DiscountBody>,
    shipping: Option<ShippingBody>,
    /// Tax on the order as a whole, beside that of its lines.
    tax: Option<Price>,
    /// Who sees to stock and money: a checkout, if it is not said.
    #[serde(default = "by_checkout")]
    settlement: Settlement,
    /// The provider's token of a payment method.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    payment_method: Option<String>,
    /// What a quote said: the order is refused if it comes to something else by now.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    totals_hash: Option<String>,
    /// How long it waits to be paid for: half an hour, if it is not said.
    #[schema(minimum = 1, maximum = 43_200)]
    waits_minutes: Option<i64>,
    /// Your own number for it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    pub reference: Option<String>,
    /// When it happened, if it happened earlier and is only written down now: needs the scope `history:write`.
    pub effective_at: Option<DateTime<Utc>>,
}

/// What is to be ordered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderContents {
    currency: CurrencyInUse,
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<OrderLine>,
    discount: Option<DiscountBody>,
    shipping: Option<ShippingBody>,
    /// Tax on the order as a whole, beside that of its lines.
    tax: Option<Price>,
}

/// So many of a SKU.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderLine {
    sku: Sku,
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    /// Where it is taken from; left out for what needs no stock.
    location: Option<Location>,
    /// The catalogue's, if it is not said.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    title: Option<String>,
    /// The catalogue's, if neither this nor the total is said.
    unit_price: Option<Price>,
    /// Of all units, before discount and tax.
    total: Option<Price>,
    tax: Option<Price>,
}

/// One amount off a whole order.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderDiscount)]
pub(crate) struct DiscountBody {
    #[schema(min_length = 1, max_length = 64, pattern = r"\S")]
    code: Option<String>,
    amount: Price,
}

/// What sending it costs.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderShipping)]
pub(crate) struct ShippingBody {
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    method: Option<String>,
    amount: Price,
}

/// How an order is placed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderPlacing)]
pub(crate) struct PlacingBody {
    /// Who sees to stock and money: a checkout, if it is not said.
    #[serde(default = "by_checkout")]
    pub settlement: Settlement,
    /// The provider's token of a payment method.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    pub payment_method: Option<String>,
    /// What a quote said: the order is refused if it comes to something else by now.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub totals_hash: Option<String>,
    /// How long it waits to be paid for: half an hour, if it is not said.
    #[schema(minimum = 1, maximum = 43_200)]
    pub waits_minutes: Option<i64>,
}

/// Some units of a line.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LineUnits)]
pub(super) struct UnitsBody {
    line: LineId,
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
}

/// What an order would come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderQuote)]
pub(super) struct QuoteView {
    lines: Vec<QuotedLine>,
    net: Money,
    discount: Money,
    tax: Money,
    shipping: Money,
    total: Money,
    /// To be sent with the order: it is refused if it comes to something else by then.
    totals_hash: String,
}

/// A line of a quote.
#[derive(Debug, Serialize, ToSchema)]
struct QuotedLine {
    sku: Sku,
    title: String,
    quantity: u32,
    unit_price: Option<Money>,
    total: Money,
    discount: Money,
    tax: Money,
    /// What the customer pays for it.
    amount: Money,
}

impl NewOrder {
    pub fn contents(&self) -> OrderContents {
        let Self { currency, lines, discount, shipping, tax, .. } = self;
        let (discount, shipping) = (discount.clone(), shipping.clone());
        OrderContents { currency: *currency, lines: lines.clone(), discount, shipping, tax: *tax }
    }

    pub fn placing(&self) -> PlacingBody {
        PlacingBody {
            settlement: self.settlement,
            payment_method: self.payment_method.clone(),
            totals_hash: self.totals_hash.clone(),
            waits_minutes: self.waits_minutes,
        }
    }
}

impl From<OrderContents> for ContentsAsked {
    fn from(body: OrderContents) -> Self {
        Self {
            currency: body.currency.into(),
            lines: body.lines.into_iter().map(Into::into).collect(),
            discount: body.discount.map(Into::into),
            shipping: body.shipping.map(Into::into),
            tax: body.tax.map(Into::into),
        }
    }
}

impl From<OrderLine> for LineAsked {
    fn from(OrderLine { sku, quantity, location, title, unit_price, total, tax }: OrderLine) -> Self {
        let [unit_price, total, tax] = [unit_price, total, tax].map(|price| price.map(Into::into));
        Self { sku, quantity, location, title, unit_price, total, tax }
    }
}

impl From<DiscountBody> for Discount {
    fn from(DiscountBody { code, amount }: DiscountBody) -> Self {
        Self { code, amount: amount.into() }
    }
}

impl From<ShippingBody> for Shipping {
    fn from(ShippingBody { method, amount }: ShippingBody) -> Self {
        Self { method, amount: amount.into() }
    }
}

impl From<PlacingBody> for PlacingAsked {
    fn from(PlacingBody { settlement, payment_method, totals_hash, waits_minutes }: PlacingBody) -> Self {
        let waits = waits_minutes.map(TimeDelta::minutes);
        Self { settlement, payment_method, totals_hash, waits }
    }
}

impl From<UnitsBody> for Units {
    fn from(UnitsBody { line, quantity }: UnitsBody) -> Self {
        Self { line, quantity }
    }
}

impl From<Terms> for QuoteView {
    fn from(terms: Terms) -> Self {
        let lines = terms.lines.into_iter().map(|line| QuotedLine {
            sku: line.sku,
            title: line.title,
            quantity: line.quantity,
            unit_price: line.unit_price,
            total: line.total,
            discount: line.discount,
            tax: line.tax,
            amount: line.amount,
        });
        Self {
            lines: lines.collect(),
            net: terms.net,
            discount: terms.discount,
            tax: terms.tax,
            shipping: terms.shipping,
            total: terms.total,
            totals_hash: terms.totals_hash,
        }
    }
}

/// Since when it holds, if not since now.
///
/// # Errors
/// If whoever asks may not write down what is past, or if it is not past.
pub(super) fn since(cx: &Context, at: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>> {
    let Some(at) = at.map(microseconds) else { return Ok(None) };
    cx.must(HISTORY)?;
    if at <= cx.now() {
        return Ok(Some(at));
    }
    let error = FieldError::at("/effective_at".into(), "out-of-range", "has not happened yet");
    Err(Problem::validation(vec![error]))
}

pub(super) const fn by_customer() -> CancelReason {
    CancelReason::Customer
}

const fn by_checkout() -> Settlement {
    Settlement::Checkout
}
