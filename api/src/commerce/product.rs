//! `/api/ecommerce/products`: what a workspace sells.

use std::collections::BTreeMap;

use commands::commerce::product;
use domain::commerce::product::{
    MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE_VALUE, MAX_DESCRIPTION, MAX_ENTRIES, Product, Variant,
};
use domain::currency::CurrencyInUse;
use domain::ids::{ProductId, Sku};
use domain::money::{Currency, Money};
use projections::commerce::product::{ProductFilter, ProductView, Products};
use serde::Deserialize;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::{FieldError, Problem, Result};
use crate::read::Read;
use crate::schema::Price;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(product::MANAGE, routes!(create)))
        .routes(needs(product::READ, routes!(list)))
        .routes(needs(product::READ, routes!(show)))
        .routes(needs(product::MANAGE, routes!(rename)))
        .routes(needs(product::MANAGE, routes!(describe)))
        .routes(needs(product::MANAGE, routes!(add_variant)))
        .routes(needs(product::MANAGE, routes!(remove_variant)))
        .routes(needs(product::MANAGE, routes!(set_price, remove_price)))
        .routes(needs(product::MANAGE, routes!(archive)))
        .routes(needs(product::MANAGE, routes!(restore)))
        .routes(needs(product::READ, routes!(history)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfVariant {
    id: ProductId,
    sku: Sku,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfPrice {
    id: ProductId,
    sku: Sku,
    currency: Currency,
}

/// A product to be sold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    title: String,
    #[serde(default)]
    #[schema(schema_with = described)]
    description: Option<String>,
    /// None yet, if it is left out: then nothing of it can be sold.
    #[serde(default)]
    #[schema(max_items = 200)]
    variants: Vec<NewVariant>,
}

/// One form of a product that can be sold: a size, a colour.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewVariant {
    sku: Sku,
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    title: String,
    /// One per currency.
    #[serde(default)]
    #[schema(max_items = 50)]
    prices: Vec<Price>,
    /// What tells it from its sisters: `{"size": "M"}`.
    #[serde(default)]
    #[schema(schema_with = attributes)]
    attributes: BTreeMap<String, String>,
}

impl From<NewVariant> for Variant {
    fn from(NewVariant { sku, title, prices, attributes }: NewVariant) -> Self {
        Self { sku, title, prices: prices.into_iter().map(Into::into).collect(), attributes }
    }
}

fn described() -> Object {
    crate::schema::lines_if_any(MAX_DESCRIPTION)
}

fn attributes() -> Object {
    let text =
        |min, max| ObjectBuilder::new().schema_type(Type::String).min_length(min).max_length(Some(max));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .max_properties(Some(MAX_ENTRIES))
        .property_names(Some(text(Some(1), MAX_ATTRIBUTE_NAME)))
        .additional_properties(Some(text(None, MAX_ATTRIBUTE_VALUE)))
        .build()
}

/// What a product shall be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProductTitle {
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    title: String,
}

/// How a product shall be described.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProductDescription {
    /// Not at all, if it is `null` or left out.
    #[serde(default)]
    #[schema(schema_with = described)]
    description: Option<String>,
}

/// A price in the currency of the path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PriceAmount {
    /// In minor units: 1234 is 12.34 US dollars, or 1234 yen.
    #[schema(minimum = 0)]
    amount: i64,
}

/// Create a product, with the SKUs of its variants: all or nothing.
#[utoipa::path(post, path = "/api/ecommerce/products", tag = "product",
    request_body = NewProduct, responses(Created))]
async fn create(Creation(cx, body): Creation<NewProduct>) -> Result<Created> {
    let variants = body.variants.into_iter().map(Variant::from).collect();
    let outcome = product::create(cx, body.title, body.description, variants).await?;
    Ok(Created::at("/api/ecommerce/products", outcome))
}

/// List products.
#[utoipa::path(get, path = "/api/ecommerce/products", tag = "product",
    params(ProductFilter, Paging, MinPosition), responses((status = 200, body = Page<ProductView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<ProductFilter>,
) -> Result<Shown<Page<ProductView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show a product.
#[utoipa::path(get, path = "/api/ecommerce/products/{id}", tag = "product",
    params(Id<ProductId>, MinPosition), responses((status = 200, body = ProductView)))]
async fn show(read: Read, Path(of): Path<Id<ProductId>>, Show(fresh): Show) -> Result<Shown<ProductView>> {
    read.one::<Products>(of.id, &fresh).await
}

/// Rename a product.
#[utoipa::path(post, path = "/api/ecommerce/products/{id}/rename", tag = "product",
    params(Id<ProductId>), request_body = ProductTitle, responses(Done))]
async fn rename(Path(of): Path<Id<ProductId>>, Command(cx, body): Command<ProductTitle>) -> Result<Done> {
    Ok(Done(product::rename(cx, of.id, body.title).await?))
}

/// Describe a product anew, or no more.
#[utoipa::path(put, path = "/api/ecommerce/products/{id}/description", tag = "product",
    params(Id<ProductId>), request_body = ProductDescription, responses(Done))]
async fn describe(
    Path(of): Path<Id<ProductId>>,
    Command(cx, body): Command<ProductDescription>,
) -> Result<Done> {
    Ok(Done(product::describe(cx, of.id, body.description).await?))
}

/// Add a variant to a product, and take its SKU for it.
#[utoipa::path(post, path = "/api/ecommerce/products/{id}/variants", tag = "product",
    params(Id<ProductId>), request_body = NewVariant, responses(Done))]
async fn add_variant(Path(of): Path<Id<ProductId>>, Command(cx, body): Command<NewVariant>) -> Result<Done> {
    Ok(Done(product::add_variant(cx, of.id, body.into()).await?))
}

/// Remove a variant of a product: its SKU is free for another.
#[utoipa::path(
    delete,
    path = "/api/ecommerce/products/{id}/variants/{sku}",
    tag = "product",
    params(OfVariant),
    responses(Done)
)]
async fn remove_variant(Path(of): Path<OfVariant>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(product::remove_variant(cx, of.id, of.sku).await?))
}

/// Set a variant's price in a currency.
#[utoipa::path(put, path = "/api/ecommerce/products/{id}/variants/{sku}/prices/{currency}", tag = "product",
    params(OfPrice), request_body = PriceAmount, responses(Done))]
async fn set_price(Path(of): Path<OfPrice>, Command(cx, body): Command<PriceAmount>) -> Result<Done> {
    let currency = CurrencyInUse::try_from(of.currency).map_err(|reason| {
        let error = FieldError::at("/currency".into(), "choice", reason.to_string());
        Problem::validation(vec![error.of_query()])
    })?;
    let price = Money::new(body.amount, currency.into());
    Ok(Done(product::set_price(cx, of.id, of.sku, price).await?))
}

/// Remove a variant's price in a currency.
#[utoipa::path(
    delete,
    path = "/api/ecommerce/products/{id}/variants/{sku}/prices/{currency}",
    tag = "product",
    params(OfPrice),
    responses(Done)
)]
async fn remove_price(Path(of): Path<OfPrice>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(product::remove_price(cx, of.id, of.sku, of.currency).await?))
}

/// Take a product off sale. It keeps its SKUs.
#[utoipa::path(
    post,
    path = "/api/ecommerce/products/{id}/archive",
    tag = "product",
    params(Id<ProductId>),
    responses(Done)
)]
async fn archive(Path(of): Path<Id<ProductId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(product::archive(cx, of.id).await?))
}

/// Put an archived product on sale again.
#[utoipa::path(
    post,
    path = "/api/ecommerce/products/{id}/restore",
    tag = "product",
    params(Id<ProductId>),
    responses(Done)
)]
async fn restore(Path(of): Path<Id<ProductId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(product::restore(cx, of.id).await?))
}

/// Tell what has happened to a product.
#[utoipa::path(get, path = "/api/ecommerce/products/{id}/history", tag = "product",
    params(Id<ProductId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<ProductId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Product>(of.id, &paging).await
}
