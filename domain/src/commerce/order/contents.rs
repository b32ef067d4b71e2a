//! Contents and terms: what is being ordered, and what it comes to.
//!
//! A line carries its quantity and its total: a unit price only where it divides. Discount and tax of the whole
//! order are given amounts, spread over the lines by largest remainder, so that the lines' amounts and the
//! shipping are the total, and what a line was worth can be given back to the last unit.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::OrderRefusal as No;
use super::refusal::{optional, text};
use crate::ids::{LineId, Sku, StockId};
use crate::money::{Currency, Money};

pub(super) const MOST_LINES: usize = 200;
const MOST_UNITS: u32 = 1_000_000;

/// What is being ordered, before it is agreed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DraftContents))]
pub struct Contents {
    pub currency: Currency,
    pub lines: Vec<Item>,
    pub discount: Option<Discount>,
    pub shipping: Option<Shipping>,
    /// Tax given for the whole order, beside that of its lines.
    pub tax: Option<Money>,
}

/// A line being ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DraftLine))]
pub struct Item {
    pub line: LineId,
    /// Where it is taken from; none for what needs no stock or happened elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockId>,
    pub sku: Sku,
    pub title: String,
    pub quantity: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Money>,
    /// Of all units, before discount and tax.
    pub total: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Money>,
}

/// A given amount off an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DraftDiscount))]
pub struct Discount {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DraftShipping))]
pub struct Shipping {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    pub amount: Money,
}

/// A line as agreed: with its share of the order's discount and tax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgreedLine))]
pub struct Line {
    pub line: LineId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockId>,
    pub sku: Sku,
    pub title: String,
    pub quantity: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Money>,
    pub total: Money,
    pub discount: Money,
    pub tax: Money,
    /// What the customer pays for it: total − discount + tax.
    pub amount: Money,
}

/// What an order comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub lines: Vec<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<String>,
    /// Σ of the lines' totals.
    pub net: Money,
    pub discount: Money,
    pub tax: Money,
    pub shipping: Money,
    /// net − discount + tax + shipping.
    pub total: Money,
    /// SHA-256 (hexadecimal) of the totals' canonical text: see [`Terms::canonical`].
    pub totals_hash: String,
}

impl Contents {
    #[must_use]
    pub const fn new(currency: Currency) -> Self {
        Self { currency, lines: Vec::new(), discount: None, shipping: None, tax: None }
    }

    /// What it would come to: the quote before an order is placed.
    ///
    /// # Errors
    /// The refusal that placing it would meet.
    pub fn terms(&self) -> Result<Terms, No> {
        self.check()?;
        let zero = Money::zero(self.currency);
        let net = Money::sum(self.currency, self.lines.iter().map(|line| line.total))?;
        let discount = self.discount.as_ref().map_or(zero, |discount| discount.amount);
        if discount.amount > net.amount {
            return Err(No::DiscountTooLarge);
        }
        let discounts = spread(discount, self.lines.iter().map(|line| line.total.amount))?;
        let taxable = self.lines.iter().zip(&discounts).map(|(line, off)| line.total.amount - off.amount);
        let taxes = spread(self.tax.unwrap_or(zero), taxable)?;
        let lines: Vec<Line> = self
            .lines
            .iter()
            .zip(discounts)
            .zip(taxes)
            .map(|((item, discount), tax)| item.agreed(discount, tax))
            .collect::<Result<_, No>>()?;
        let tax = Money::sum(self.currency, lines.iter().map(|line| line.tax))?;
        let shipping = self.shipping.as_ref().map_or(zero, |shipping| shipping.amount);
        let total = net.minus(discount)?.plus(tax)?.plus(shipping)?;
        price(total, self.currency)?;
        let mut terms = Terms {
            lines,
            discount_code: self.discount.as_ref().and_then(|discount| discount.code.clone()),
            shipping_method: self.shipping.as_ref().and_then(|shipping| shipping.method.clone()),
            net,
            discount,
            tax,
            shipping,
            total,
            totals_hash: String::new(),
        };
        terms.totals_hash = hexadecimal(&Sha256::digest(terms.canonical()));
        Ok(terms)
    }

    fn check(&self) -> Result<(), No> {
        if self.lines.is_empty() {
            return Err(No::Empty);
        }
        if self.lines.len() > MOST_LINES {
            return Err(No::TooManyLines(MOST_LINES));
        }
        let mut seen = BTreeSet::new();
        for item in &self.lines {
            item.check(self.currency)?;
            if !seen.insert(item.line) {
                return Err(No::NamedTwice(item.line));
            }
        }
        self.discount.as_ref().map_or(Ok(()), |discount| discount.check(self.currency))?;
        self.shipping.as_ref().map_or(Ok(()), |shipping| shipping.check(self.currency))?;
        self.tax.map_or(Ok(()), |tax| price(tax, self.currency))
    }

    pub(super) fn line(&self, line: LineId) -> Option<&Item> {
        self.lines.iter().find(|item| item.line == line)
    }

    pub(super) fn line_mut(&mut self, line: LineId) -> Option<&mut Item> {
        self.lines.iter_mut().find(|item| item.line == line)
    }
}

impl Item {
    pub(super) fn check(&self, currency: Currency) -> Result<(), No> {
        text("the title", &self.title, 200)?;
        quantity(self.quantity)?;
        price(self.total, currency)?;
        self.tax.map_or(Ok(()), |tax| price(tax, currency))?;
        let Some(unit_price) = self.unit_price else { return Ok(()) };
        price(unit_price, currency)?;
        if unit_price.times(i64::from(self.quantity))? == self.total {
            Ok(())
        } else {
            Err(No::TotalMismatch)
        }
    }

    fn agreed(&self, discount: Money, order_tax: Money) -> Result<Line, No> {
        let tax = self.tax.map_or(Ok(order_tax), |tax| tax.plus(order_tax))?;
        Ok(Line {
            line: self.line,
            stock: self.stock.clone(),
            sku: self.sku.clone(),
            title: self.title.clone(),
            quantity: self.quantity,
            unit_price: self.unit_price,
            total: self.total,
            discount,
            tax,
            amount: self.total.minus(discount)?.plus(tax)?,
        })
    }
}

impl Discount {
    pub(super) fn check(&self, currency: Currency) -> Result<(), No> {
        optional("the discount's code", self.code.as_deref(), 64)?;
        price(self.amount, currency)
    }
}

impl Shipping {
    pub(super) fn check(&self, currency: Currency) -> Result<(), No> {
        optional("the shipping method", self.method.as_deref(), 100)?;
        price(self.amount, currency)
    }
}

impl Terms {
    /// The text whose hash two parties compare: `order-totals/1`, the currency, per line `sku quantity total
    /// discount tax`, then `shipping` and `total`; all amounts in minor units, each on a line of its own. Lines
    /// carry no ids in it, so that a quote and the order that follows from it agree.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = format!("order-totals/1\n{}\n", self.total.currency);
        for Line { sku, quantity, total, discount, tax, .. } in &self.lines {
            writeln!(text, "{sku} {quantity} {} {} {}", total.amount, discount.amount, tax.amount)
                .expect("a string takes all text");
        }
        writeln!(text, "shipping {}\ntotal {}", self.shipping.amount, self.total.amount)
            .expect("a string takes all text");
        text
    }

    /// As contents again, for an edit: the order's tax has become that of its lines.
    pub fn contents(&self) -> Contents {
        let lines = self.lines.iter().map(|line| Item {
            line: line.line,
            stock: line.stock.clone(),
            sku: line.sku.clone(),
            title: line.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            total: line.total,
            tax: (!line.tax.is_zero()).then_some(line.tax),
        });
        let discounted = !self.discount.is_zero() || self.discount_code.is_some();
        let shipped = !self.shipping.is_zero() || self.shipping_method.is_some();
        Contents {
            currency: self.total.currency,
            lines: lines.collect(),
            discount: discounted
                .then(|| Discount { code: self.discount_code.clone(), amount: self.discount }),
            shipping: shipped
                .then(|| Shipping { method: self.shipping_method.clone(), amount: self.shipping }),
            tax: None,
        }
    }
}

/// An amount that can be asked for.
pub(super) fn price(money: Money, currency: Currency) -> Result<(), No> {
    told(money, currency)?;
    if money.is_in_range() { Ok(()) } else { Err(No::AmountOutOfRange) }
}

/// An amount that moved: it is a fact, however large.
pub(super) fn told(money: Money, currency: Currency) -> Result<(), No> {
    if money.currency != currency {
        return Err(No::OtherCurrency(currency));
    }
    if money.is_negative() { Err(No::NegativeAmount) } else { Ok(()) }
}

pub(super) fn quantity(units: u32) -> Result<(), No> {
    if (1..=MOST_UNITS).contains(&units) { Ok(()) } else { Err(No::QuantityOutOfRange) }
}

/// Spreads an amount by the lines' worth; evenly where they are worth nothing.
fn spread(amount: Money, worth: impl Iterator<Item = i64>) -> Result<Vec<Money>, No> {
    let mut weights: Vec<u64> = worth.map(|worth| u64::try_from(worth).unwrap_or(0)).collect();
    if weights.iter().all(|&weight| weight == 0) {
        weights.fill(1);
    }
    Ok(amount.allocate(&weights)?)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_lines_cost_and_the_shipping_is_the_total() {
        let mut contents = two_lines();
        contents.discount = Some(Discount { code: Some("SPRING".into()), amount: usd(101) });
        contents.shipping = Some(Shipping { method: Some("parcel".into()), amount: usd(500) });
        contents.tax = Some(usd(200));
        let terms = contents.terms().unwrap();
        // 30.00 and 10.00: the discount of 1.01 falls as 0.76 and 0.25, the tax of 2.00 as 1.50 and 0.50.
        assert_eq!(terms.lines.iter().map(|line| line.discount).collect::<Vec<_>>(), [usd(76), usd(25)]);
        assert_eq!(terms.lines.iter().map(|line| line.tax).collect::<Vec<_>>(), [usd(150), usd(50)]);
        assert_eq!(terms.lines.iter().map(|line| line.amount).collect::<Vec<_>>(), [usd(3074), usd(1025)]);
        assert_eq!((terms.net, terms.discount, terms.tax), (usd(4000), usd(101), usd(200)));
        assert_eq!((terms.shipping, terms.total), (usd(500), usd(4599)));
    }

    #[test]
    fn the_hash_is_of_a_text_anybody_can_write() {
        let terms = two_lines().terms().unwrap();
        assert_eq!(
            terms.canonical(),
            "order-totals/1\nUSD\nTEA-1 3 3000 0 0\nCUP-1 1 1000 0 0\nshipping 0\ntotal 4000\n"
        );
        assert_eq!(terms.totals_hash, "5c0a5fa5ca66d6fa0e479b2b59fcd5499df8e40451b50e3d80750a1324d0f025");
    }

    #[test]
    fn a_quote_and_its_order_agree_whatever_their_lines_are_called() {
        let mut renamed = two_lines();
        renamed.lines[0].line = line_id(77);
        assert_eq!(renamed.terms().unwrap().totals_hash, two_lines().terms().unwrap().totals_hash);
        renamed.lines[0].tax = Some(usd(1));
        assert_ne!(renamed.terms().unwrap().totals_hash, two_lines().terms().unwrap().totals_hash);
    }

    #[test]
    fn a_tax_on_free_goods_is_still_all_there() {
        let mut contents = Contents { tax: Some(usd(3)), ..two_lines() };
        for line in &mut contents.lines {
            (line.unit_price, line.total) = (None, usd(0));
        }
        assert_eq!(contents.terms().unwrap().total, usd(3));
    }

    #[test]
    fn takes_nothing_that_cannot_be_sold() {
        type Spoil = fn(&mut Contents);
        let cases: [(Spoil, No); 18] = [
            (|c| c.lines.clear(), No::Empty),
            (|c| c.lines = (0..201).map(|n| item(n, "A", 1, 1)).collect(), No::TooManyLines(200)),
            (|c| c.lines[1].line = c.lines[0].line, No::NamedTwice(line_id(1))),
            (|c| c.lines[0].quantity = 0, No::QuantityOutOfRange),
            (|c| c.lines[0].quantity = 1_000_001, No::QuantityOutOfRange),
            (|c| c.lines[0].title = " ".into(), No::Blank("the title")),
            (|c| c.lines[0].title = "é".repeat(201), No::TooLong("the title", 200)),
            (|c| c.lines[0].total = eur(3000), No::OtherCurrency(Currency::USD)),
            (|c| c.lines[0].tax = Some(usd(-1)), No::NegativeAmount),
            (|c| c.lines[0].total = usd(2999), No::TotalMismatch),
            (|c| c.lines[0].unit_price = Some(usd(i64::MAX)), No::AmountOutOfRange),
            (|c| c.discount = Some(Discount { code: None, amount: usd(4001) }), No::DiscountTooLarge),
            (|c| c.discount = Some(Discount { code: None, amount: usd(-1) }), No::NegativeAmount),
            (|c| c.shipping = Some(Shipping { method: None, amount: usd(i64::MAX) }), No::AmountOutOfRange),
            (|c| c.tax = Some(eur(1)), No::OtherCurrency(Currency::USD)),
            (|c| c.tax = Some(usd(Money::MOST + 1)), No::AmountOutOfRange),
            (|c| c.tax = Some(usd(Money::MOST)), No::AmountOutOfRange),
            (
                |c| (c.lines[1].total, c.lines[1].unit_price) = (usd(Money::MOST + 1), None),
                No::AmountOutOfRange,
            ),
        ];
        for (n, (spoil, refusal)) in cases.into_iter().enumerate() {
            let mut contents = two_lines();
            spoil(&mut contents);
            assert_eq!(contents.terms(), Err(refusal), "case {n}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_worth_less_than_nothing(
            totals in prop::collection::vec(0i64..1_000_000_000, 1..20), off in 0i64..=1000, tax in 0i64..1_000_000
        ) {
            let lines = (0..).zip(&totals).map(|(n, &total)| Item { unit_price: None, ..item(n, "A", 1, total) });
            let net: i64 = totals.iter().sum();
            let contents = Contents {
                lines: lines.collect(),
                discount: Some(Discount { code: None, amount: usd(net).share(off, 1000).unwrap() }),
                tax: Some(usd(tax)),
                ..Contents::new(Currency::USD)
            };
            let terms = contents.terms().unwrap();
            prop_assert!(terms.lines.iter().all(|line| !line.amount.is_negative()));
            let amounts = Money::sum(Currency::USD, terms.lines.iter().map(|line| line.amount)).unwrap();
            prop_assert_eq!(amounts.plus(terms.shipping).unwrap(), terms.total);
        }
    }
}
