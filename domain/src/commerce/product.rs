//! Product: what a workspace sells, in variants that each have a SKU and prices.
//!
//! A product may have no variants yet: then nothing of it can be sold. A SKU names one variant of it; that
//! no other product has the same one is for the SKU's own stream to say. A price is at least 0, one per currency.
//! An archived product changes no more until it is restored. Repeating a request that already took effect decides
//! nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{ProductId, Sku};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money};
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// The longest title, of a product or a variant, in characters.
pub const MAX_TITLE: usize = 200;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 10_000;
/// How many variants a product may have.
pub const MAX_VARIANTS: usize = 200;
/// How many prices a variant may have, and how many attributes.
pub const MAX_ENTRIES: usize = 50;
/// The longest name of an attribute, in characters.
pub const MAX_ATTRIBUTE_NAME: usize = 50;
/// The longest value of an attribute, in characters.
pub const MAX_ATTRIBUTE_VALUE: usize = 200;

/// One form of a product that can be sold: a size, a colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    pub sku: Sku,
    pub title: String,
    /// One per currency, ordered by it.
    pub prices: Vec<Money>,
    /// What tells it from its sisters: `{"size": "M"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What may be asked of a product.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ProductCommand {
    Create {
        title: String,
        description: Option<String>,
        variants: Vec<Variant>,
    },
    Rename {
        title: String,
    },
    /// Describe it anew, or no more.
    Describe {
        description: Option<String>,
    },
    AddVariant(Variant),
    RemoveVariant {
        sku: Sku,
    },
    SetPrice {
        sku: Sku,
        price: Money,
    },
    RemovePrice {
        sku: Sku,
        currency: Currency,
    },
    /// Take it off sale.
    Archive,
    /// Put it on sale again.
    Restore,
}

/// What has happened to a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum ProductEvent {
    Created {
        title: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        variants: Vec<Variant>,
    },
    Renamed {
        title: String,
    },
    Described {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    VariantAdded(Variant),
    VariantRemoved {
        sku: Sku,
    },
    PriceSet {
        sku: Sku,
        price: Money,
    },
    PriceRemoved {
        sku: Sku,
        currency: Currency,
    },
    Archived,
    Restored,
}

/// Why a product says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum ProductRefusal {
    #[error("no such product")]
    Unknown,
    #[error("the product has no variant {0}")]
    UnknownVariant(Sku),
    #[error("this product exists with other contents")]
    AlreadyCreated,
    #[error("the product has another variant {0}")]
    VariantExists(Sku),
    #[error("the product is archived")]
    Archived,
    #[error("a product has at most {MAX_VARIANTS} variants")]
    TooManyVariants,
    #[error("a title has 1 to {MAX_TITLE} characters and is not blank")]
    BadTitle,
    #[error("a description has at most {MAX_DESCRIPTION} characters")]
    BadDescription,
    #[error("the SKU {0} is given twice")]
    DuplicateSku(Sku),
    #[error("a price is not below 0: {0}")]
    NegativePrice(Money),
    #[error("a price is out of range: {} minor units is the most", Money::MOST)]
    AmountOutOfRange,
    #[error("two prices in {0}")]
    DuplicatePrice(Currency),
    #[error("a variant has at most {MAX_ENTRIES} prices")]
    TooManyPrices,
    #[error(
        "a variant has at most {MAX_ENTRIES} attributes, their names 1 to {MAX_ATTRIBUTE_NAME} characters, \
         their values at most {MAX_ATTRIBUTE_VALUE}"
    )]
    BadAttributes,
}

/// A product, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    title: Option<String>,
    description: Option<String>,
    variants: BTreeMap<Sku, Variant>,
    archived: bool,
}

impl Product {
    /// What it is called, if it exists.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Whether it exists and is not archived.
    #[must_use]
    pub fn is_on_sale(&self) -> bool {
        self.title.is_some() && !self.archived
    }

    /// Its variant of this SKU.
    #[must_use]
    pub fn variant(&self, sku: &Sku) -> Option<&Variant> {
        self.variants.get(sku)
    }

    fn is(&self, title: &str, description: Option<&String>, variants: &[Variant]) -> bool {
        self.title.as_deref() == Some(title)
            && self.description.as_ref() == description
            && self.variants.len() == variants.len()
            && variants.iter().all(|variant| self.variants.get(&variant.sku) == Some(variant))
    }

    fn price(&self, sku: &Sku, currency: Currency) -> Result<Option<Money>, ProductRefusal> {
        let variant = self.variants.get(sku).ok_or_else(|| ProductRefusal::UnknownVariant(sku.clone()))?;
        Ok(variant.price(currency))
    }
}

impl Variant {
    /// Its price in a currency.
    #[must_use]
    pub fn price(&self, currency: Currency) -> Option<Money> {
        self.prices.iter().find(|price| price.currency == currency).copied()
    }

    /// The same variant with its prices in order, if it makes sense.
    fn checked(mut self) -> Result<Self, ProductRefusal> {
        use ProductRefusal as No;
        check_title(&self.title)?;
        if self.prices.len() > MAX_ENTRIES {
            return Err(No::TooManyPrices);
        }
        self.prices.iter().try_for_each(|&price| check_price(price))?;
        self.prices.sort_by_key(|price| price.currency);
        if let Some(pair) = self.prices.windows(2).find(|pair| pair[0].currency == pair[1].currency) {
            return Err(No::DuplicatePrice(pair[0].currency));
        }
        let fits = |(name, value): (&String, &String)| {
            (1..=MAX_ATTRIBUTE_NAME).contains(&name.chars().count())
                && value.chars().count() <= MAX_ATTRIBUTE_VALUE
        };
        if self.attributes.len() > MAX_ENTRIES || !self.attributes.iter().all(fits) {
            return Err(No::BadAttributes);
        }
        Ok(self)
    }

    fn set_price(&mut self, price: Money) {
        match self.prices.binary_search_by_key(&price.currency, |price| price.currency) {
            Ok(place) => self.prices[place] = price,
            Err(place) => self.prices.insert(place, price),
        }
    }
}

fn check_title(title: &str) -> Result<(), ProductRefusal> {
    let fits = !is_blank(title) && title.chars().count() <= MAX_TITLE;
    if fits { Ok(()) } else { Err(ProductRefusal::BadTitle) }
}

fn check_price(price: Money) -> Result<(), ProductRefusal> {
    match price {
        _ if price.is_negative() => Err(ProductRefusal::NegativePrice(price)),
        _ if price.is_in_range() => Ok(()),
        _ => Err(ProductRefusal::AmountOutOfRange),
    }
}

fn check_description(description: Option<&String>) -> Result<(), ProductRefusal> {
    let fits = description.is_none_or(|text| text.chars().count() <= MAX_DESCRIPTION);
    if fits { Ok(()) } else { Err(ProductRefusal::BadDescription) }
}

fn checked(variants: Vec<Variant>) -> Result<Vec<Variant>, ProductRefusal> {
    if variants.len() > MAX_VARIANTS {
        return Err(ProductRefusal::TooManyVariants);
    }
    let variants = variants.into_iter().map(Variant::checked).collect::<Result<Vec<_>, _>>()?;
    let mut skus: Vec<&Sku> = variants.iter().map(|variant| &variant.sku).collect();
    skus.sort();
    match skus.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ProductRefusal::DuplicateSku(pair[0].clone())),
        None => Ok(variants),
    }
}

impl Decider for Product {
    const NAME: &'static str = "commerce.product";
    type Id = ProductId;
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Refusal = ProductRefusal;

    fn decide(&self, command: ProductCommand) -> Result<Vec<ProductEvent>, ProductRefusal> {
        use {ProductCommand as C, ProductEvent as E, ProductRefusal as No};
        match command {
            C::Create { title, description, variants } => {
                check_title(&title)?;
                check_description(description.as_ref())?;
                let variants = checked(variants)?;
                match &self.title {
                    None => Ok(vec![E::Created { title, description, variants }]),
                    Some(_) if self.is(&title, description.as_ref(), &variants) => Ok(vec![]),
                    Some(_) => Err(No::AlreadyCreated),
                }
            }
            _ if self.title.is_none() => Err(No::Unknown),

            C::Archive if self.archived => Ok(vec![]),
            C::Archive => Ok(vec![E::Archived]),
            C::Restore if !self.archived => Ok(vec![]),
            C::Restore => Ok(vec![E::Restored]),

            _ if self.archived => Err(No::Archived),

            C::Rename { title } if self.title.as_ref() == Some(&title) => Ok(vec![]),
            C::Rename { title } => check_title(&title).map(|()| vec![E::Renamed { title }]),

            C::Describe { description } if self.description == description => Ok(vec![]),
            C::Describe { description } => {
                check_description(description.as_ref()).map(|()| vec![E::Described { description }])
            }

            C::AddVariant(variant) => {
                let variant = variant.checked()?;
                match self.variants.get(&variant.sku) {
                    Some(present) if *present == variant => Ok(vec![]),
                    Some(_) => Err(No::VariantExists(variant.sku)),
                    None if self.variants.len() >= MAX_VARIANTS => Err(No::TooManyVariants),
                    None => Ok(vec![E::VariantAdded(variant)]),
                }
            }

            C::RemoveVariant { sku } if !self.variants.contains_key(&sku) => Ok(vec![]),
            C::RemoveVariant { sku } => Ok(vec![E::VariantRemoved { sku }]),

            C::SetPrice { sku, price } => match self.price(&sku, price.currency)? {
                Some(present) if present == price => Ok(vec![]),
                None if self.variants[&sku].prices.len() >= MAX_ENTRIES => Err(No::TooManyPrices),
                None | Some(_) => check_price(price).map(|()| vec![E::PriceSet { sku, price }]),
            },

            C::RemovePrice { sku, currency } => match self.price(&sku, currency)? {
                None => Ok(vec![]),
                Some(_) => Ok(vec![E::PriceRemoved { sku, currency }]),
            },
        }
    }

    fn evolve(&mut self, event: ProductEvent) {
        match event {
            ProductEvent::Created { title, description, variants } => {
                (self.title, self.description) = (Some(title), description);
                self.variants = variants.into_iter().map(|variant| (variant.sku.clone(), variant)).collect();
            }
            ProductEvent::Renamed { title } => self.title = Some(title),
            ProductEvent::Described { description } => self.description = description,
            ProductEvent::VariantAdded(variant) => _ = self.variants.insert(variant.sku.clone(), variant),
            ProductEvent::VariantRemoved { sku } => _ = self.variants.remove(&sku),
            ProductEvent::PriceSet { sku, price } => {
                if let Some(variant) = self.variants.get_mut(&sku) {
                    variant.set_price(price);
                }
            }
            ProductEvent::PriceRemoved { sku, currency } => {
                if let Some(variant) = self.variants.get_mut(&sku) {
                    variant.prices.retain(|price| price.currency != currency);
                }
            }
            ProductEvent::Archived => self.archived = true,
            ProductEvent::Restored => self.archived = false,
        }
    }
}

impl Event for ProductEvent {}

impl Refusal for ProductRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::UnknownVariant(_) => Kind::Missing,
            Self::AlreadyCreated | Self::VariantExists(_) | Self::Archived => Kind::Conflict,
            Self::TooManyVariants
            | Self::BadTitle
            | Self::BadDescription
            | Self::DuplicateSku(_)
            | Self::NegativePrice(_)
            | Self::AmountOutOfRange
            | Self::DuplicatePrice(_)
            | Self::TooManyPrices
            | Self::BadAttributes => Kind::Invalid,
        }
    }
}

sourced!(Product, ProductEvent);
