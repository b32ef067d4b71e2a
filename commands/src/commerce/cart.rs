//! Acting on carts.

use domain::commerce::cart::{Cart, CartCommand};
use domain::commerce::order::{Discount, Order, OrderCommand, Shipping};
use domain::ids::{CartId, CustomerId, Location, OrderId, Sku};
use domain::kernel::{Decider, Kind};
use domain::money::{Currency, Money};
use tracing::instrument;

use super::order::{ContentsAsked, LineAsked, PlacingAsked, submission};
use crate::store::Loaded;
use crate::{AtVersion, Context, Error, On, OnNew, Outcome, Refused, Result};

/// Filling carts.
pub const MANAGE: &str = "cart:manage";
/// Reading carts.
pub const READ: &str = "cart:read";

/// Opens a cart in a currency, for a guest or a known customer.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.open", skip_all)]
pub async fn open(cx: &Context, customer: Option<CustomerId>, currency: Currency) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.create::<Cart>(cx.new_id::<CartId>(), CartCommand::Open { customer, currency }).await
}

/// Sets how many of a SKU are in the cart; 0 removes it.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.set_line", skip_all, fields(cart.id = %id, sku = %sku, quantity))]
pub async fn set_line(cx: &Context, id: CartId, sku: Sku, quantity: i64) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Cart>(id, CartCommand::SetLine { sku, quantity }).await
}

/// Says whose cart it is, once a guest is known.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.assign", skip_all, fields(cart.id = %id, customer.id = %customer))]
pub async fn assign(cx: &Context, id: CartId, customer: CustomerId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Cart>(id, CartCommand::Assign { customer }).await
}

/// Leaves a cart for good.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.abandon", skip_all, fields(cart.id = %id))]
pub async fn abandon(cx: &Context, id: CartId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Cart>(id, CartCommand::Abandon).await
}

/// What is asked for beside what is in the cart.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOutAsked {
    /// Whose order it is, if the cart is a guest's.
    pub customer: Option<CustomerId>,
    pub reference: Option<String>,
    /// Where the goods are taken from; none for what needs no stock.
    pub location: Option<Location>,
    pub discount: Option<Discount>,
    pub shipping: Option<Shipping>,
    pub tax: Option<Money>,
    pub placing: PlacingAsked,
}

/// How often a cart that changes meanwhile is read anew.
const READ_ANEW: u32 = 3;

/// Makes the cart an order and places it, both or neither; the answer is the order's.
///
/// # Errors
/// Refusals of the cart, the catalogue and the order; any of [`crate::Error`].
#[instrument(name = "cart.check_out", skip_all, fields(cart.id = %id))]
pub async fn check_out(cx: &Context, id: CartId, asked: CheckOutAsked) -> Result<Outcome> {
    cx.must(MANAGE)?;
    if let Some(outcome) = cx.answered().await? {
        return Ok(outcome);
    }
    let order: OrderId = cx.new_id();
    for again in 0.. {
        let cart = cx.load::<Cart>(id).await?;
        if let Some(expected) = cx.if_match.filter(|&expected| expected != cart.version) {
            return Err(Error::Stale { what: "cart", expected, current: cart.version });
        }
        match check_out_as_it_is(cx, (id, &cart), order, asked.clone()).await {
            Err(Error::Conflict { what: "cart", .. }) if again < READ_ANEW => {}
            other => return other,
        }
    }
    unreachable!("the last round returns")
}

async fn check_out_as_it_is(
    cx: &Context,
    (id, cart): (CartId, &Loaded<Cart>),
    order: OrderId,
    asked: CheckOutAsked,
) -> Result<Outcome> {
    let command = CartCommand::CheckOut { order };
    let refused = cart.state.decide(command.clone()).is_err();
    let leave = AtVersion { on: On::<Cart> { id: id.to_string(), command }, version: cart.version };
    // The version the client saw is the cart's, and was looked at.
    let mut cx = cx.clone();
    cx.if_match = None;
    let Some(currency) = cart.state.currency().filter(|_| !refused) else {
        return cx.execute_all(&[&leave]).await;
    };
    let customer = cart.state.customer().or(asked.customer).ok_or_else(no_customer)?;
    let lines = cart.state.lines().into_iter().map(|line| LineAsked {
        sku: line.sku,
        quantity: u32::try_from(line.quantity).unwrap_or(u32::MAX),
        location: asked.location.clone(),
        title: None,
        unit_price: None,
        total: None,
        tax: None,
    });
    let CheckOutAsked { reference, discount, shipping, tax, placing, .. } = asked;
    let contents = ContentsAsked { currency, lines: lines.collect(), discount, shipping, tax };
    let submission = submission(&cx, customer, reference, contents, placing).await?;
    let submit = OrderCommand::Submit(Box::new(submission));
    cx.execute_all(&[&OnNew::<Order>::new(order, submit), &leave]).await
}

fn no_customer() -> Error {
    Error::Refused(Refused {
        kind: Kind::Invalid,
        code: "cart/no_customer".to_owned(),
        message: "the cart is a guest's: say whose order it is".to_owned(),
        replayed: false,
    })
}
