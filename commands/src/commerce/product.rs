//! Acting on products.
//!
//! A product and the SKUs of its variants change together or not at all: a SKU that another product has refuses
//! the whole command.

use std::collections::BTreeSet;

use domain::commerce::product::{Product, ProductCommand, Variant};
use domain::commerce::sku::{SkuClaim, SkuCommand};
use domain::commerce::stock::Stock;
use domain::ids::{ProductId, Sku};
use domain::kernel::Kind;
use domain::money::{Currency, Money};
use tracing::instrument;

use crate::{Act, Context, Error, Facts, On, Outcome, Refused, Result};

/// Changing products.
pub const MANAGE: &str = "product:manage";
/// Reading products.
pub const READ: &str = "product:read";

/// Creates a product, and takes its variants' SKUs for it.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.create", skip_all, fields(product.id))]
pub async fn create(
    cx: Context,
    title: String,
    description: Option<String>,
    variants: Vec<Variant>,
) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let id: ProductId = cx.new_id();
    tracing::Span::current().record("product.id", tracing::field::display(id));
    // A SKU that is given twice is claimed once; the product refuses it.
    let skus: BTreeSet<Sku> = variants.iter().map(|variant| variant.sku.clone()).collect();
    let create =
        On::<Product>::new(id, ProductCommand::Create { title, description, variants }).supposed_new();
    let claims: Vec<On<SkuClaim>> = skus.iter().map(|sku| claim(sku, id)).collect();
    let acts: Vec<&dyn Act> =
        std::iter::once::<&dyn Act>(&create).chain(claims.iter().map(|claim| claim as &dyn Act)).collect();
    cx.execute_all(&acts).await
}

/// Gives a product another title.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.rename", skip_all, fields(product.id = %id))]
pub async fn rename(cx: Context, id: ProductId, title: String) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Product>(id, ProductCommand::Rename { title }).await
}

/// Describes a product anew, or no more.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.describe", skip_all, fields(product.id = %id))]
pub async fn describe(cx: Context, id: ProductId, description: Option<String>) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Product>(id, ProductCommand::Describe { description }).await
}

/// Adds a variant, and takes its SKU for the product.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.add_variant", skip_all, fields(product.id = %id, sku = %variant.sku))]
pub async fn add_variant(cx: Context, id: ProductId, variant: Variant) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let claim = claim(&variant.sku, id);
    cx.execute_all(&[&On::<Product>::new(id, ProductCommand::AddVariant(variant)), &claim]).await
}

/// Removes a variant: its SKU is free for another product. Refused as long as units of it lie anywhere, or are
/// reserved: whoever takes the SKU would take them along.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.remove_variant", skip_all, fields(product.id = %id, sku = %sku))]
pub async fn remove_variant(cx: Context, id: ProductId, sku: Sku) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let sku = &sku;
    cx.execute_from(|facts| async move {
        let product = facts.load::<Product>(&id).await?.state;
        if product.variant(sku).is_some() {
            must_lie_nowhere(&facts, sku).await?;
        }
        let release = On::<SkuClaim>::new(sku.clone(), SkuCommand::Release { product: id });
        let remove = On::<Product>::new(id, ProductCommand::RemoveVariant { sku: sku.clone() });
        Ok(vec![remove.boxed(), release.boxed()])
    })
    .await
}

/// Sets a variant's price in the price's currency.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.set_price", skip_all, fields(product.id = %id, sku = %sku))]
pub async fn set_price(cx: Context, id: ProductId, sku: Sku, price: Money) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Product>(id, ProductCommand::SetPrice { sku, price }).await
}

/// Removes a variant's price in a currency: it is not sold in it any more.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.remove_price", skip_all, fields(product.id = %id, sku = %sku))]
pub async fn remove_price(cx: Context, id: ProductId, sku: Sku, currency: Currency) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Product>(id, ProductCommand::RemovePrice { sku, currency }).await
}

/// Takes a product off sale. It keeps its SKUs.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.archive", skip_all, fields(product.id = %id))]
pub async fn archive(cx: Context, id: ProductId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Product>(id, ProductCommand::Archive).await
}

/// Puts an archived product on sale again.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "product.restore", skip_all, fields(product.id = %id))]
pub async fn restore(cx: Context, id: ProductId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Product>(id, ProductCommand::Restore).await
}

async fn must_lie_nowhere(facts: &Facts, sku: &Sku) -> Result<()> {
    for pool in facts.store().beginning_with::<Stock>(facts.workspace, &format!("{sku}@")).await? {
        let stock = facts.load::<Stock>(&pool).await?.state;
        let (on_hand, held) = (stock.on_hand(), stock.on_hand() - stock.available());
        if (on_hand, held) != (0, 0) {
            let message = format!(
                "{on_hand} units of it lie at {pool}, and {held} are held for orders: sell, adjust or release them \
                 first, or archive the product"
            );
            let (kind, code) = (Kind::Conflict, "product/sku_in_stock".to_owned());
            return Err(Error::Refused(Refused { kind, code, message, replayed: false }));
        }
    }
    Ok(())
}

fn claim(sku: &Sku, product: ProductId) -> On<SkuClaim> {
    On::new(sku.clone(), SkuCommand::Claim { product })
}
