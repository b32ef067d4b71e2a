//! Products, as the back office and the shop see them.

use std::collections::BTreeMap;

use domain::commerce::product::{Product, ProductEvent as E, Variant};
use domain::ids::{ProductId, Sku};
use domain::kernel::Recorded;
use domain::money::Money;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::Json;
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// A product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProductView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<ProductId>,
    pub title: String,
    pub description: Option<String>,
    pub variants: Vec<VariantView>,
    /// Whether it is off sale.
    pub archived: bool,
}

/// One form of a product that can be sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VariantView {
    pub sku: Sku,
    pub title: String,
    /// One per currency, ordered by it.
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

impl StreamView for Products {
    const NAME: &'static str = "product";
    type Of = Product;
    type Row = ProductView;

    fn stem(row: &mut ProductView) -> &mut Stem<ProductId> {
        &mut row.stem
    }

    fn begun(stem: Stem<ProductId>, happened: &E, _: &Recorded) -> Option<ProductView> {
        let E::Created { title, description, variants } = happened.clone() else { return None };
        let variants = variants.iter().map(VariantView::from).collect();
        Some(ProductView { stem, title, description, variants, archived: false })
    }

    fn apply(row: &mut ProductView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Created { .. } => {}
            E::Renamed { title } => row.title.clone_from(title),
            E::Described { description } => row.description.clone_from(description),
            E::VariantAdded(variant) => row.variants.push(variant.into()),
            E::VariantRemoved { sku } => row.variants.retain(|variant| variant.sku != *sku),
            E::PriceSet { sku, price } => row.reprice(sku, |prices| {
                prices.retain(|other| other.currency != price.currency);
                prices.push(*price);
                prices.sort_by_key(|price| price.currency);
            }),
            E::PriceRemoved { sku, currency } => {
                row.reprice(sku, |prices| prices.retain(|price| price.currency != *currency));
            }
            E::Archived => row.archived = true,
            E::Restored => row.archived = false,
        }
        Ok(())
    }
}

impl ProductView {
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
    #[param(nullable = false)]
    pub archived: Option<bool>,
    /// Only the one with a variant of this SKU.
    #[param(inline, nullable = false)]
    pub sku: Option<Sku>,
    /// Only those whose title contains this, whatever the case.
    #[param(nullable = false, min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// What they are ordered by; backwards after `-`. The newest first if it is not said.
    #[param(inline)]
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

impl Filter for ProductFilter {
    type Of = Products;

    fn order(&self) -> Order {
        match self.sort {
            ProductSort::Oldest => Order::by("created_at", "timestamptz"),
            ProductSort::Newest => Order::by("created_at", "timestamptz").descending(),
            ProductSort::Title => Order::by("title", "text").folded(),
            ProductSort::TitleBackwards => Order::by("title", "text").folded().descending(),
        }
    }

    fn narrow(self, list: Listing<Products>) -> Listing<Products> {
        let sku = self.sku.map(|sku| Json(json!([{ "sku": sku }])));
        list.only("t.archived = ", self.archived, "").only("t.variants @> ", sku, "").only(
            "strpos(read.folded(t.title), read.folded(",
            self.title,
            ")) > 0",
        )
    }
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
        assert_eq!((lamp.stem.id.to_string(), lamp.title.as_str()), (LAMP.to_owned(), "Lamp"));
        assert_eq!(
            (lamp.description.as_deref(), lamp.archived, lamp.stem.version),
            (Some("Bright"), true, 3)
        );
        let chair = row(CHAIR, &events).unwrap();
        assert_eq!((chair.title.as_str(), chair.archived, chair.stem.version), ("Armchair", false, 2));
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
        assert_eq!(lamp.stem.version, 3);
    }

    #[test]
    fn is_on_sale_again_once_restored() {
        let events = [(LAMP, created("Lamp", vec![])), (LAMP, E::Archived), (LAMP, E::Restored)];
        assert!(!row(LAMP, &events).unwrap().archived);
    }
}
