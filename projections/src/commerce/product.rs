//! Products, as the back office and the shop see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::commerce::product::{Product, ProductEvent as E, Variant};
use domain::ids::{ProductId, Sku, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::{IntoParams, ToSchema};

use crate::reading::{After, Listing, Order, Page, Seen};
use crate::schema;
use crate::view::{RowKey, Touches, Unfoldable, View};

/// A product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProductView {
    #[schema(schema_with = schema::id::<WorkspaceId>)]
    pub workspace_id: WorkspaceId,
    #[schema(schema_with = schema::id::<ProductId>)]
    pub id: ProductId,
    pub title: String,
    pub description: Option<String>,
    pub variants: Vec<VariantView>,
    /// Whether it is off sale.
    pub archived: bool,
    /// How many events made it: its ETag.
    pub version: i64,
    /// When its creation was recorded.
    pub created_at: DateTime<Utc>,
    /// When its last change was recorded.
    pub updated_at: DateTime<Utc>,
}

/// One form of a product that can be sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VariantView {
    #[schema(schema_with = schema::sku)]
    pub sku: Sku,
    pub title: String,
    /// One per currency, ordered by it.
    #[schema(value_type = Vec<schema::Money>)]
    pub prices: Vec<Money>,
    /// What tells it from its sisters.
    pub attributes: BTreeMap<String, String>,
}

impl From<&Variant> for VariantView {
    fn from(variant: &Variant) -> Self {
        let Variant { sku, title, prices, attributes } = variant.clone();
        Self { sku, title, prices, attributes }
    }
}

/// Products by id.
pub struct Products;

impl View for Products {
    const NAME: &'static str = "product";
    const LISTENS_TO: &'static [&'static str] = &[Product::NAME];
    const BY_STREAM: bool = true;
    type Row = ProductView;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        Ok(Touches::stream_of::<Product>(event))
    }

    fn fold(
        _: &RowKey,
        row: Option<ProductView>,
        event: &Recorded,
    ) -> Result<Option<ProductView>, Unfoldable> {
        let Some(happened) = event.of::<Product>()? else { return Ok(row) };
        let row = match (row, happened) {
            (None, E::Created { title, description, variants }) => Some(ProductView {
                workspace_id: event.workspace,
                id: event.id_as()?,
                title: title.clone(),
                description: description.clone(),
                variants: variants.iter().map(VariantView::from).collect(),
                archived: false,
                version: 0,
                created_at: event.recorded_at,
                updated_at: event.recorded_at,
            }),
            (Some(row), happened) => Some(row.after(happened)),
            (None, _) => None,
        };
        Ok(row.map(|row| ProductView { version: event.sequence, updated_at: event.recorded_at, ..row }))
    }
}

impl ProductView {
    fn after(mut self, happened: &E) -> Self {
        match happened {
            E::Created { .. } => {}
            E::Renamed { title } => self.title.clone_from(title),
            E::Described { description } => self.description.clone_from(description),
            E::VariantAdded(variant) => self.variants.push(variant.into()),
            E::VariantRemoved { sku } => self.variants.retain(|variant| variant.sku != *sku),
            E::PriceSet { sku, price } => self.reprice(sku, |prices| {
                prices.retain(|other| other.currency != price.currency);
                prices.push(*price);
                prices.sort_by_key(|price| price.currency);
            }),
            E::PriceRemoved { sku, currency } => {
                self.reprice(sku, |prices| prices.retain(|price| price.currency != *currency));
            }
            E::Archived => self.archived = true,
            E::Restored => self.archived = false,
        }
        self
    }

    fn reprice(&mut self, sku: &Sku, change: impl FnOnce(&mut Vec<Money>)) {
        if let Some(variant) = self.variants.iter_mut().find(|variant| variant.sku == *sku) {
            change(&mut variant.prices);
        }
    }
}

/// Which products are asked for, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProductFilter {
    /// Only those on sale (`false`), or only those off sale (`true`).
    #[param(required = false, nullable = false)]
    pub archived: Option<bool>,
    /// Only the one with a variant of this SKU.
    #[param(required = false, schema_with = schema::sku)]
    pub sku: Option<Sku>,
    /// Only those whose title contains this, whatever the case.
    #[param(required = false, nullable = false, min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// What they are ordered by; backwards after `-`. The newest first if it is not said.
    #[param(required = false, inline)]
    #[serde(default)]
    pub sort: ProductSort,
}

/// What products are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ProductSort {
    #[serde(rename = "created")]
    Oldest,
    #[default]
    #[serde(rename = "-created")]
    Newest,
    #[serde(rename = "title")]
    Title,
    #[serde(rename = "-title")]
    TitleBackwards,
}

impl ProductSort {
    fn order(self) -> Order {
        match self {
            Self::Oldest => Order::by("created_at", "timestamptz"),
            Self::Newest => Order::by("created_at", "timestamptz").descending(),
            Self::Title => Order::by("title", "text"),
            Self::TitleBackwards => Order::by("title", "text").descending(),
        }
    }
}

/// One product.
///
/// # Errors
/// If the database does not answer.
pub async fn find(
    db: &PgPool,
    workspace: WorkspaceId,
    id: ProductId,
) -> Result<Seen<Option<ProductView>>, sqlx::Error> {
    let found = sqlx::query!(
        r#"select s.position, to_jsonb(t) as "row: Json<ProductView>"
           from subscriptions s left join read.product t on t.workspace_id = $1 and t.id = $2
           where s.name = 'product'"#,
        workspace.to_string(),
        id.to_string()
    );
    Ok(Seen::one(found.fetch_optional(db).await?.map(|found| (found.position, found.row))))
}

/// Products of a workspace, a page at a time.
///
/// # Errors
/// If the database does not answer, or if `after` is not of this list.
pub async fn list(
    db: &PgPool,
    workspace: WorkspaceId,
    filter: ProductFilter,
    (after, limit): (Option<After>, usize),
) -> Result<Seen<Page<ProductView>>, sqlx::Error> {
    let sku = filter.sku.map(|sku| Json(json!([{ "sku": sku }])));
    Listing::<Products>::of(workspace, filter.sort.order())
        .only("t.archived = ", filter.archived, "")
        .only("t.variants @> ", sku, "")
        .only("strpos(lower(t.title), lower(", filter.title, ")) > 0")
        .page(db, after, limit)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::money::Currency;

    const LAMP: &str = "prod_00000000000000000000000001";
    const CHAIR: &str = "prod_00000000000000000000000002";

    fn eur(amount: i64) -> Money {
        Money::new(amount, Currency::EUR)
    }

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn variant(sku: &str, prices: Vec<Money>) -> Variant {
        Variant { sku: sku.parse().unwrap(), title: sku.into(), prices, attributes: BTreeMap::new() }
    }

    fn created(title: &str, variants: Vec<Variant>) -> E {
        E::Created { title: title.into(), description: None, variants }
    }

    /// What is remembered of a product after these events of two.
    fn row(id: &str, events: &[(&str, E)]) -> Option<ProductView> {
        example::row::<Products>(
            id,
            events.iter().map(|(of, event)| Recorded::example::<Product>(*of, event)),
        )
    }

    #[test]
    fn is_told_apart_from_other_products() {
        let events = [
            (LAMP, created("Lamp", vec![variant("lamp", vec![])])),
            (CHAIR, created("Chair", vec![])),
            (CHAIR, E::Renamed { title: "Armchair".into() }),
            (LAMP, E::Described { description: Some("Bright".into()) }),
            (LAMP, E::Archived),
        ];
        let lamp = row(LAMP, &events).unwrap();
        assert_eq!((lamp.id.to_string(), lamp.title.as_str()), (LAMP.to_owned(), "Lamp"));
        assert_eq!((lamp.description.as_deref(), lamp.archived, lamp.version), (Some("Bright"), true, 3));
        let chair = row(CHAIR, &events).unwrap();
        assert_eq!((chair.title.as_str(), chair.archived, chair.version), ("Armchair", false, 2));
        assert_eq!(chair.variants, []);
    }

    #[test]
    fn keeps_each_variants_prices_by_currency() {
        let sku: Sku = "small".parse().unwrap();
        let events = [
            (LAMP, created("Lamp", vec![variant("small", vec![usd(500)]), variant("large", vec![usd(900)])])),
            (LAMP, E::PriceSet { sku: sku.clone(), price: eur(450) }),
            (LAMP, E::PriceSet { sku: sku.clone(), price: usd(600) }),
        ];
        let lamp = row(LAMP, &events).unwrap();
        assert_eq!(lamp.variants[0].prices, [eur(450), usd(600)]);
        assert_eq!(lamp.variants[1].prices, [usd(900)]);

        let removed = (LAMP, E::PriceRemoved { sku, currency: Currency::USD });
        let lamp = row(LAMP, &[&events[..], &[removed]].concat()).unwrap();
        assert_eq!(lamp.variants[0].prices, [eur(450)]);
        assert_eq!(lamp.variants[1].prices, [usd(900)]);
    }

    #[test]
    fn gains_and_loses_variants() {
        let events = [
            (LAMP, created("Lamp", vec![variant("small", vec![])])),
            (LAMP, E::VariantAdded(variant("large", vec![eur(1)]))),
            (LAMP, E::VariantRemoved { sku: "small".parse().unwrap() }),
        ];
        let lamp = row(LAMP, &events).unwrap();
        assert_eq!(lamp.variants, [VariantView::from(&variant("large", vec![eur(1)]))]);
        assert_eq!(lamp.version, 3);
    }

    #[test]
    fn is_on_sale_again_once_restored() {
        let events = [(LAMP, created("Lamp", vec![])), (LAMP, E::Archived), (LAMP, E::Restored)];
        assert!(!row(LAMP, &events).unwrap().archived);
    }
}
