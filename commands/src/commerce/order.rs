//! Acting on orders: from a draft or a whole order at once, to what comes back of it.
//!
//! Prices and titles come from the catalogue unless the caller, a seller's own system, gives them. The policy
//! (how long an unpaid order waits) is the platform's.

use chrono::{DateTime, TimeDelta, Utc};
use domain::commerce::order::{
    Basis, CancelReason, CarrierFact, Condition, Discount, Order, OrderCommand, OrderRefusal, Placing,
    Settlement, Settling, Shipping, Submission, Terms, Units,
};
use domain::commerce::order_reference::{self, OrderReference, OrderReferenceCommand};
use domain::finance::payment::{Payment, PaymentCommand};
use domain::ids::{CustomerId, FulfilmentId, LineId, Location, OrderId, PaymentId, ReturnId, Sku};
use domain::kernel::{Decider, Kind};
use domain::money::{Currency, Money};
use tracing::instrument;

use crate::commerce::shop;
use crate::ids::payment_of;
use crate::{Act, Context, Error, Facts, On, Outcome, Refused, Result};

mod pricing;
pub(crate) mod record_past;
mod returning;

use pricing::{item, must_be_on_sale, priced};
pub use record_past::{PastOrder, record_past};
pub use returning::{receive_return, reserve};

/// Placing orders and changing one's own.
pub const PLACE: &str = "order:place";
/// A seller's work on orders: confirm, fulfil, ship, take back.
pub const MANAGE: &str = "order:manage";
/// Looking at orders.
pub const READ: &str = "order:read";
/// Saying that an order on credit was paid.
pub const MARK_PAID: &str = "payment:record";
/// Writing down what happened elsewhere and earlier.
pub const HISTORY: &str = "history:write";

/// How long an order that is not confirmed waits, unless told otherwise.
pub const WAITS: TimeDelta = TimeDelta::minutes(30);
/// The longest it may be told to wait.
pub const WAITS_AT_MOST: TimeDelta = TimeDelta::days(30);

/// A line as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct LineAsked {
    pub sku: Sku,
    pub quantity: u32,
    /// Where it is taken from; none for what needs no stock.
    pub location: Option<Location>,
    /// From the catalogue, unless given.
    pub title: Option<String>,
    /// From the catalogue, unless this or the total is given.
    pub unit_price: Option<Money>,
    pub total: Option<Money>,
    pub tax: Option<Money>,
}

/// What is asked for in an order.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentsAsked {
    pub currency: Currency,
    pub lines: Vec<LineAsked>,
    pub discount: Option<Discount>,
    pub shipping: Option<Shipping>,
    pub tax: Option<Money>,
}

/// How it is placed.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacingAsked {
    pub settlement: Settlement,
    /// The provider's token of a payment method; without one, the payment waits for an attempt.
    pub payment_method: Option<String>,
    pub totals_hash: Option<String>,
    /// How long it waits to be confirmed.
    pub waits: Option<TimeDelta>,
}

/// Draft and place an order at once.
///
/// # Errors
/// Refusals of the catalogue and the order; any of [`Error`].
#[instrument(name = "order.submit", skip_all)]
pub async fn submit(
    cx: Context,
    customer: CustomerId,
    reference: Option<String>,
    contents: ContentsAsked,
    placing: PlacingAsked,
) -> Result<Outcome> {
    let order: OrderId = cx.new_id();
    let (reference, contents, placing) = (&reference, &contents, &placing);
    cx.execute_from(|facts| async move {
        let submission = submission(&facts, customer, reference.clone(), contents, placing).await?;
        let submit = OrderCommand::Submit(Box::new(submission));
        let submit = On::<Order>::new(order, submit).supposed_new().boxed();
        let claim = claim(&facts, order, reference.as_deref()).await?;
        Ok([submit].into_iter().chain(claim).collect())
    })
    .await
}

/// A whole order as it is to be submitted, with what the catalogue says.
pub(super) async fn submission(
    facts: &Facts,
    customer: CustomerId,
    reference: Option<String>,
    contents: &ContentsAsked,
    placing: &PlacingAsked,
) -> Result<Submission> {
    facts.must(PLACE)?;
    must_for(facts, placing.settlement)?;
    for line in &contents.lines {
        must_be_on_sale(facts, &line.sku, placing.settlement).await?;
    }
    let contents = priced(facts, contents).await?;
    let placing = placing_of(facts, placing.clone()).await?;
    Ok(Submission { customer, reference, cart: None, contents, placing })
}

/// What an order would come to, with the hash that agrees to it. Nothing is recorded.
///
/// # Errors
/// The refusal that placing it would meet.
#[instrument(name = "order.quote", skip_all)]
pub async fn quote(cx: Context, contents: ContentsAsked) -> Result<Terms> {
    cx.must(PLACE)?;
    let asked = &contents;
    let contents = cx.know(|facts| async move { priced(&facts, asked).await }).await?;
    contents.terms().map_err(|no| Error::Refused(Refused::by("commerce.order", &no)))
}

/// Opens a draft.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.draft", skip_all)]
pub async fn draft(
    cx: Context,
    customer: CustomerId,
    currency: Currency,
    reference: Option<String>,
) -> Result<Outcome> {
    cx.must(PLACE)?;
    let order: OrderId = cx.new_id();
    let reference = &reference;
    cx.execute_from(|facts| async move {
        let command = OrderCommand::CreateDraft { customer, currency, reference: reference.clone() };
        let create = On::<Order>::new(order, command).supposed_new().boxed();
        let claim = claim(&facts, order, reference.as_deref()).await?;
        Ok([create].into_iter().chain(claim).collect())
    })
    .await
}

/// Puts a line into a draft or an open edit; the line's id is new.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.add_line", skip_all, fields(order.id = %order))]
pub async fn add_line(cx: Context, order: OrderId, line: LineAsked) -> Result<Outcome> {
    cx.must(PLACE)?;
    let line = &line;
    cx.execute_from(|facts| async move {
        let currency = currency_of(&facts.load::<Order>(&order).await?.state)?;
        let item = item(&facts, currency, line.clone()).await?;
        let id = item.line;
        Ok(vec![On::<Order>::new(order, OrderCommand::AddLine(item)).making(id).boxed()])
    })
    .await
}

/// Places a draft.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.place", skip_all, fields(order.id = %order))]
pub async fn place(cx: Context, order: OrderId, placing: PlacingAsked) -> Result<Outcome> {
    cx.must(PLACE)?;
    must_for(&cx, placing.settlement)?;
    let placing = &placing;
    cx.execute_from(|facts| async move {
        // What was on sale when it was put in may not be any more.
        let draft = facts.load::<Order>(&order).await?.state;
        for line in draft.contents().iter().flat_map(|contents| &contents.lines) {
            must_be_on_sale(&facts, &line.sku, placing.settlement).await?;
        }
        let command = OrderCommand::Place(placing_of(&facts, placing.clone()).await?);
        Ok(vec![On::<Order>::new(order, command).boxed()])
    })
    .await
}

/// What a customer may do to an order of theirs: change a draft or an open edit, cancel, ask to return.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.change", skip_all, fields(order.id = %order))]
pub async fn change(cx: Context, order: OrderId, change: Change) -> Result<Outcome> {
    cx.must(PLACE)?;
    let command = match change {
        Change::SetQuantity { line, quantity, total, tax } => {
            OrderCommand::SetQuantity { line, quantity, total, tax }
        }
        Change::RemoveLine { line } => OrderCommand::RemoveLine { line },
        Change::Discount(discount) => OrderCommand::ApplyDiscount(discount),
        Change::Shipping(shipping) => OrderCommand::SetShipping(shipping),
        Change::Tax { line, amount } => OrderCommand::SetTax { line, amount },
        Change::BeginEdit => OrderCommand::BeginEdit,
        Change::ConfirmEdit { totals_hash, payment_method } => {
            let (payment, expires_at) = (cx.new_id(), cx.now() + WAITS);
            let settling = Some(Settling { payment, payment_method, expires_at });
            OrderCommand::ConfirmEdit { totals_hash, settling }
        }
        Change::AbandonEdit => OrderCommand::AbandonEdit,
        Change::CancelLines { lines, reason } => OrderCommand::CancelLines { lines, reason },
        Change::Cancel { reason } => OrderCommand::Cancel { reason },
        Change::RequestReturn { lines, reason } => {
            let return_id = cx.new_id();
            let request = OrderCommand::RequestReturn { return_id, lines, reason };
            return cx.create_in::<Order>(order, return_id, request).await;
        }
    };
    cx.execute::<Order>(order, command).await
}

/// What [`change`] can do.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    SetQuantity { line: LineId, quantity: u32, total: Option<Money>, tax: Option<Money> },
    RemoveLine { line: LineId },
    Discount(Discount),
    Shipping(Shipping),
    Tax { line: Option<LineId>, amount: Money },
    BeginEdit,
    ConfirmEdit { totals_hash: Option<String>, payment_method: Option<String> },
    AbandonEdit,
    CancelLines { lines: Vec<Units>, reason: CancelReason },
    Cancel { reason: CancelReason },
    RequestReturn { lines: Vec<Units>, reason: Option<String> },
}

/// What a seller does to an order: confirm it on credit, fulfil, ship, deliver, take back.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.handle", skip_all, fields(order.id = %order))]
pub async fn handle(cx: Context, order: OrderId, step: Step) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let command = match step {
        Step::Confirm { basis } => OrderCommand::Confirm { basis },
        Step::Fulfil { lines, override_unpaid } => {
            let fulfilment: FulfilmentId = cx.new_id();
            let fulfil = OrderCommand::Fulfil { fulfilment, lines, override_unpaid };
            return cx.create_in::<Order>(order, fulfilment, fulfil).await;
        }
        Step::CancelFulfilment { fulfilment } => OrderCommand::CancelFulfilment { fulfilment },
        Step::Ship { fulfilment, carrier, tracking } => OrderCommand::Ship { fulfilment, carrier, tracking },
        Step::Deliver { fulfilment } => OrderCommand::Deliver { fulfilment },
        Step::CarrierFact(fact) => OrderCommand::RecordCarrierFact(fact),
        Step::LoseParcel { fulfilment } => OrderCommand::LoseParcel { fulfilment },
        Step::TakeParcelBack { fulfilment, condition } => {
            OrderCommand::TakeParcelBack { fulfilment, condition }
        }
        Step::DismissReturn { return_id, reason } => OrderCommand::DismissReturn { return_id, reason },
    };
    cx.execute::<Order>(order, command).await
}

/// What [`handle`] can do.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Confirm {
        basis: Basis,
    },
    /// Under a new id.
    Fulfil {
        lines: Vec<Units>,
        override_unpaid: Option<String>,
    },
    CancelFulfilment {
        fulfilment: FulfilmentId,
    },
    Ship {
        fulfilment: FulfilmentId,
        carrier: Option<String>,
        tracking: Option<String>,
    },
    Deliver {
        fulfilment: FulfilmentId,
    },
    CarrierFact(CarrierFact),
    LoseParcel {
        fulfilment: FulfilmentId,
    },
    TakeParcelBack {
        fulfilment: FulfilmentId,
        condition: Condition,
    },
    DismissReturn {
        return_id: ReturnId,
        reason: Option<String>,
    },
}

/// Writes down that an order was paid elsewhere: on the order and as its payment, both or neither.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.record_payment", skip_all, fields(order.id = %order))]
pub async fn record_payment(
    cx: Context,
    order: OrderId,
    amount: Money,
    at: DateTime<Utc>,
) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let payment = payment_of(order);
    let paid = OrderCommand::RecordPayment { payment, authorised: amount, captured: amount };
    let on_order = On::<Order>::new(order, paid);
    let record = PaymentCommand::Record { order, amount, at, reference: None };
    let taken = On::<Payment>::new(payment, record);
    let acts: [&dyn Act; 2] = [&on_order, &taken];
    cx.execute_all(&acts).await
}

/// Writes down that some of what an order on credit owes was paid: as a payment of its own, whose id is answered, and
/// on the order, both or neither.
///
/// # Errors
/// Refusals of the order, with what is left to be paid; any of [`Error`].
#[instrument(name = "order.mark_paid", skip_all, fields(order.id = %order))]
pub async fn mark_paid(
    cx: Context,
    order: OrderId,
    amount: Money,
    reference: Option<String>,
) -> Result<Outcome> {
    cx.must(MARK_PAID)?;
    let payment: PaymentId = cx.new_id();
    let at = cx.effective_at.unwrap_or_else(|| cx.now());
    let record = PaymentCommand::Record { order, amount, at, reference };
    let record = On::<Payment>::new(payment, record).supposed_new();
    let paid = OrderCommand::MarkPaid { payment, amount };
    let on_order = On::<Order>::new(order, paid);
    let acts: [&dyn Act; 2] = [&record, &on_order];
    cx.execute_all(&acts).await
}

fn currency_of(order: &Order) -> Result<Currency> {
    let draft = order.contents().map(|contents| contents.currency);
    draft
        .or_else(|| order.terms().map(|terms| terms.total.currency))
        .ok_or_else(|| Error::Refused(Refused::by(Order::NAME, &OrderRefusal::Unknown)))
}

fn must_for(cx: &Context, settlement: Settlement) -> Result<()> {
    match settlement {
        Settlement::Checkout => Ok(()),
        Settlement::CreditTerms => cx.must(MANAGE),
        Settlement::Recorded => cx.must(HISTORY),
    }
}

/// Has the reference mean this order, in a shop where it can mean but one.
pub(super) async fn claim(
    facts: &Facts,
    order: OrderId,
    reference: Option<&str>,
) -> Result<Option<Box<dyn Act>>> {
    let Some(reference) = reference else { return Ok(None) };
    if !shop::policy(facts).await?.unique_references {
        return Ok(None);
    }
    let command = OrderReferenceCommand::Claim { order, reference: reference.to_owned() };
    Ok(Some(On::<OrderReference>::new(order_reference::id_of(reference), command).boxed()))
}

async fn placing_of(facts: &Facts, asked: PlacingAsked) -> Result<Placing> {
    let waits = asked.waits.unwrap_or(WAITS);
    if waits <= TimeDelta::zero() || waits > WAITS_AT_MOST {
        let most = WAITS_AT_MOST.num_days();
        return Err(refused(
            "order/bad_expiry",
            format!("an order waits longer than nothing and at most {most} days"),
        ));
    }
    // What was only written down waits for nobody. (On credit it waits for its goods to be set aside.)
    let recorded = asked.settlement == Settlement::Recorded;
    let expires_at = (!recorded).then(|| facts.now() + waits);
    let number_prefix = if recorded { None } else { shop::policy(facts).await?.order_prefix };
    Ok(Placing {
        totals_hash: asked.totals_hash,
        payment_method: asked.payment_method,
        expires_at,
        settlement: asked.settlement,
        number_prefix,
        at: facts.now(),
    })
}

fn refused(code: &str, message: String) -> Error {
    Error::Refused(Refused { kind: Kind::Invalid, code: code.to_owned(), message, replayed: false })
}
