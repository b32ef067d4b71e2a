//! What is asked for, with what the catalogue says of it.

use std::sync::Arc;

use domain::commerce::order::{Contents, Item, Order, OrderRefusal, Settlement};
use domain::commerce::product::Product;
use domain::commerce::sku::SkuClaim;
use domain::ids::{Sku, StockId};
use domain::kernel::Decider;
use domain::money::{Currency, Money};

use super::{ContentsAsked, LineAsked, refused};
use crate::{Error, Facts, Refused, Result};

pub(super) async fn priced(facts: &Facts, asked: &ContentsAsked) -> Result<Contents> {
    let mut lines = Vec::with_capacity(asked.lines.len());
    for line in &asked.lines {
        lines.push(item(facts, asked.currency, line.clone()).await?);
    }
    Ok(Contents {
        currency: asked.currency,
        lines,
        discount: asked.discount.clone(),
        shipping: asked.shipping.clone(),
        tax: asked.tax,
    })
}

pub(super) async fn item(facts: &Facts, currency: Currency, asked: LineAsked) -> Result<Item> {
    let given = asked.title.is_some() && (asked.unit_price.is_some() || asked.total.is_some());
    let (title, price) =
        if given { (None, None) } else { catalogue(facts, &asked.sku, currency).await?.unwrap_or_default() };
    let (unit_price, total) = match (asked.unit_price, asked.total, price) {
        (unit_price, Some(total), _) => (unit_price, total),
        (Some(price), None, _) | (None, None, Some(price)) => {
            let total = price.times(i64::from(asked.quantity));
            (
                Some(price),
                total
                    .map_err(|_| Error::Refused(Refused::by(Order::NAME, &OrderRefusal::AmountOutOfRange)))?,
            )
        }
        (None, None, None) if title.is_none() => {
            let message = format!(
                "no product has the SKU {}: name another, or give a title and a unit_price with it",
                asked.sku
            );
            return Err(refused("order/unknown_sku", message));
        }
        (None, None, None) => {
            let message = format!(
                "{} has no price in {currency}: set one on its product, or give a unit_price with it",
                asked.sku
            );
            return Err(refused("order/no_price", message));
        }
    };
    Ok(Item {
        line: facts.new_id(),
        stock: asked.location.map(|location| StockId { sku: asked.sku.clone(), location }),
        title: asked.title.or(title).unwrap_or_else(|| asked.sku.to_string()),
        sku: asked.sku,
        quantity: asked.quantity,
        unit_price,
        total,
        tax: asked.tax,
    })
}

/// The title and the price of a SKU that is on sale.
async fn catalogue(
    facts: &Facts,
    sku: &Sku,
    currency: Currency,
) -> Result<Option<(Option<String>, Option<Money>)>> {
    let product = on_sale(facts, sku).await?;
    let variant = product.as_ref().and_then(|product| product.variant(sku));
    Ok(variant.map(|variant| (Some(variant.title.clone()), variant.price(currency))))
}

/// The product of a SKU, if any has it: refused if that is off sale.
async fn on_sale(facts: &Facts, sku: &Sku) -> Result<Option<Arc<Product>>> {
    let claim = facts.load::<SkuClaim>(sku).await?;
    let Some(product) = claim.state.product() else { return Ok(None) };
    let product = facts.load::<Product>(&product).await?.state;
    if product.is_on_sale() {
        return Ok(Some(product));
    }
    let message = format!("{sku} is not on sale: restore its product, or take it out");
    Err(refused("order/not_on_sale", message))
}

/// What the catalogue takes off sale is not sold at any price; what was sold elsewhere was.
pub(super) async fn must_be_on_sale(facts: &Facts, sku: &Sku, settlement: Settlement) -> Result<()> {
    match settlement {
        Settlement::Recorded => Ok(()),
        Settlement::Checkout | Settlement::CreditTerms => on_sale(facts, sku).await.map(drop),
    }
}
