//! Acting on carts.

use domain::commerce::cart::{Cart, CartCommand};
use domain::commerce::order::{Discount, Order, OrderCommand, Shipping, Submission};
use domain::commerce::sku::SkuClaim;
use domain::ids::{CartId, CustomerId, Location, OrderId, Sku};
use domain::kernel::{Decider, Kind};
use domain::money::{Currency, Money};
use tracing::instrument;

use super::order::{ContentsAsked, LineAsked, PlacingAsked, claim, submission};
use crate::{Context, Error, On, Outcome, Refused, Result};

/// Filling carts.
pub const MANAGE: &str = "cart:manage";
/// Reading carts.
pub const READ: &str = "cart:read";

/// Opens a cart in a currency, for a guest or a known customer.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.open", skip_all)]
pub async fn open(cx: Context, customer: Option<CustomerId>, currency: Currency) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.create::<Cart>(CartCommand::Open { customer, currency }).await
}

/// Sets how many of a SKU are in the cart; 0 removes it.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.set_line", skip_all, fields(cart.id = %id, sku = %sku, quantity))]
pub async fn set_line(cx: Context, id: CartId, sku: Sku, quantity: i64) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let sku = &sku;
    cx.execute_from(|facts| async move {
        let command = CartCommand::SetLine { sku: sku.clone(), quantity };
        let taken = facts.load::<Cart>(&id).await?.state.decide(command.clone()).is_ok();
        if taken && quantity > 0 && facts.load::<SkuClaim>(sku).await?.state.product().is_none() {
            return Err(unknown_sku(sku));
        }
        Ok(vec![On::<Cart>::new(id, command).boxed()])
    })
    .await
}

/// Says whose cart it is, once a guest is known.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.assign", skip_all, fields(cart.id = %id, customer.id = %customer))]
pub async fn assign(cx: Context, id: CartId, customer: CustomerId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Cart>(id, CartCommand::Assign { customer }).await
}

/// Leaves a cart for good.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "cart.abandon", skip_all, fields(cart.id = %id))]
pub async fn abandon(cx: Context, id: CartId) -> Result<Outcome> {
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

/// Makes the cart an order and places it, both or neither; the answer is the order's.
///
/// # Errors
/// Refusals of the cart, the catalogue and the order; any of [`crate::Error`].
#[instrument(name = "cart.check_out", skip_all, fields(cart.id = %id))]
pub async fn check_out(mut cx: Context, id: CartId, asked: CheckOutAsked) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let order: OrderId = cx.new_id();
    // The version the client saw is the cart's, and what is answered is the order's.
    let (expected, asked) = (&cx.if_match.take(), &asked);
    cx.execute_from(|facts| async move {
        let cart = facts.load::<Cart>(&id).await?;
        if let Some(expected) = expected.as_ref().filter(|any| !any.contains(&cart.version)) {
            let expected = expected.iter().copied().max().unwrap_or_default();
            return Err(Error::Stale { what: "cart", expected, current: cart.version });
        }
        let command = CartCommand::CheckOut { order };
        let refused = cart.state.decide(command.clone()).is_err();
        let leave = On::<Cart>::new(id, command).at(cart.version).boxed();
        let Some(currency) = cart.state.currency().filter(|_| !refused) else {
            return Ok(vec![leave]);
        };
        let customer = cart.state.customer().or(asked.customer).ok_or_else(no_customer)?;
        let contents = contents_of(&cart.state, currency, asked);
        let submission =
            submission(&facts, customer, asked.reference.clone(), &contents, &asked.placing).await?;
        let submission = Submission { cart: Some(id), ..submission };
        let submit = OrderCommand::Submit(Box::new(submission));
        let submit = On::<Order>::new(order, submit).supposed_new().boxed();
        let claim = claim(&facts, order, asked.reference.as_deref()).await?;
        Ok([submit, leave].into_iter().chain(claim).collect())
    })
    .await
}

fn contents_of(cart: &Cart, currency: Currency, asked: &CheckOutAsked) -> ContentsAsked {
    let lines = cart.lines().into_iter().map(|line| LineAsked {
        sku: line.sku,
        quantity: u32::try_from(line.quantity).unwrap_or(u32::MAX),
        location: asked.location.clone(),
        title: None,
        unit_price: None,
        total: None,
        tax: None,
    });
    ContentsAsked {
        currency,
        lines: lines.collect(),
        discount: asked.discount.clone(),
        shipping: asked.shipping.clone(),
        tax: asked.tax,
    }
}

fn unknown_sku(sku: &Sku) -> Error {
    Error::Refused(Refused {
        kind: Kind::Invalid,
        code: "cart/unknown_sku".to_owned(),
        message: format!("no product has the SKU {sku}: name one that is for sale"),
        replayed: false,
    })
}

fn no_customer() -> Error {
    Error::Refused(Refused {
        kind: Kind::Invalid,
        code: "cart/no_customer".to_owned(),
        message: "the cart is a guest's: say whose order it is".to_owned(),
        replayed: false,
    })
}
