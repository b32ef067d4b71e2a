//! Money: an amount in minor units of a currency, exact or refused.
//!
//! Amounts are i64; every product and sum passes through i128 and is checked on its way back. There is no float
//! and no silent rounding: what must be split is allocated by largest remainder, so the parts are the whole.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::currency::{Currency, NotACurrency};

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// In minor units: 1234 is 12.34 US dollars, or 1234 yen.
    pub amount: i64,
    pub currency: Currency,
}

#[cfg(feature = "schema")]
crate::schema::published!(Money, crate::schema::money(); Currency);

/// Money that cannot be reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreckonable {
    #[error("the amount is out of range")]
    Overflow,
    #[error("{0} and {1} cannot be added")]
    CurrencyMismatch(Currency, Currency),
    #[error("there is nothing to allocate to")]
    NoWeights,
}

impl Money {
    /// The largest amount that anybody may ask for, up or down: a hundred thousand million dollars, or ten million
    /// million yen. No shop asks for so much at once, and more than 900,000 such amounts still add up within i64:
    /// so sums over days and years stay exact, here and in SQL. What was recorded with more stays readable.
    pub const MOST: i64 = 10_000_000_000_000;

    /// Whether it is no more than [`Money::MOST`], up or down.
    #[must_use]
    pub const fn is_in_range(self) -> bool {
        self.amount.unsigned_abs() <= Self::MOST.unsigned_abs()
    }

    #[must_use]
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.amount == 0
    }

    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.amount < 0
    }

    /// # Errors
    /// [`Unreckonable`] on other currencies or beyond i64.
    pub fn plus(self, other: Self) -> Result<Self, Unreckonable> {
        self.same_currency(other)?;
        self.made(i128::from(self.amount) + i128::from(other.amount))
    }

    /// # Errors
    /// [`Unreckonable`] on other currencies or beyond i64.
    pub fn minus(self, other: Self) -> Result<Self, Unreckonable> {
        self.same_currency(other)?;
        self.made(i128::from(self.amount) - i128::from(other.amount))
    }

    /// # Errors
    /// [`Unreckonable::Overflow`] beyond i64.
    pub fn times(self, count: i64) -> Result<Self, Unreckonable> {
        self.made(i128::from(self.amount) * i128::from(count))
    }

    /// The sum, in a currency that is known even where there is nothing to sum.
    ///
    /// # Errors
    /// [`Unreckonable`] on other currencies or beyond i64.
    pub fn sum(currency: Currency, all: impl IntoIterator<Item = Self>) -> Result<Self, Unreckonable> {
        all.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// `self * numerator / denominator`, half away from zero.
    ///
    /// # Errors
    /// [`Unreckonable::Overflow`] beyond i64 or on a denominator that is not positive.
    pub fn share(self, numerator: i64, denominator: i64) -> Result<Self, Unreckonable> {
        if denominator <= 0 {
            return Err(Unreckonable::Overflow);
        }
        let (product, denominator) =
            (i128::from(self.amount) * i128::from(numerator), i128::from(denominator));
        let magnitude = (2 * product.abs() + denominator) / (2 * denominator);
        self.made(product.signum() * magnitude)
    }

    /// Splits it by weights, largest remainder first and earlier parts first among equals: the parts' sum is the
    /// whole (domain.md C4; Hamilton's method).
    ///
    /// # Errors
    /// [`Unreckonable::NoWeights`] if no weight is above 0.
    pub fn allocate(self, weights: &[u64]) -> Result<Vec<Self>, Unreckonable> {
        let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
        if total == 0 {
            return Err(Unreckonable::NoWeights);
        }
        let whole = u128::from(self.amount.unsigned_abs());
        let products: Vec<u128> = weights.iter().map(|&weight| whole * u128::from(weight)).collect();
        let mut parts: Vec<u128> = products.iter().map(|product| product / total).collect();
        let left = whole - parts.iter().sum::<u128>();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(products[i] % total), i));
        for &i in order.iter().cycle().take(usize::try_from(left).map_err(|_| Unreckonable::Overflow)?) {
            parts[i] += 1;
        }
        parts
            .into_iter()
            .map(|part| {
                let part = i128::try_from(part).map_err(|_| Unreckonable::Overflow)?;
                self.made(if self.amount < 0 { -part } else { part })
            })
            .collect()
    }

    /// The amount in the currency's own unit: `12.34`, `-0.05`, `500` (yen).
    #[must_use]
    pub fn decimal(self) -> String {
        let places = self.currency.exponent() as usize;
        let sign = if self.amount < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.amount.unsigned_abs(), width = places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        let point = if places > 0 { "." } else { "" };
        format!("{sign}{whole}{point}{part}")
    }

    fn made(self, amount: i128) -> Result<Self, Unreckonable> {
        i64::try_from(amount)
            .map(|amount| Self { amount, currency: self.currency })
            .map_err(|_| Unreckonable::Overflow)
    }

    fn same_currency(self, other: Self) -> Result<(), Unreckonable> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(Unreckonable::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

/// For people: `12.34 USD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    #[test]
    fn is_an_integer_and_a_code_in_json() {
        assert_eq!(serde_json::to_string(&usd(1234)).unwrap(), r#"{"amount":1234,"currency":"USD"}"#);
        assert_eq!(
            serde_json::from_str::<Money>(r#"{"amount":-1,"currency":"JPY"}"#).unwrap().currency,
            Currency::JPY
        );
        for bad in [
            r#"{"amount":1.5,"currency":"USD"}"#,
            r#"{"amount":"1","currency":"USD"}"#,
            r#"{"amount":1,"currency":"usd"}"#,
            r#"{"amount":1,"currency":"XAU"}"#,
            r#"{"amount":9223372036854775808,"currency":"USD"}"#,
            r#"{"amount":1,"currency":"USD","x":1}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_as_people_write_it() {
        assert_eq!(usd(1234).to_string(), "12.34 USD");
        assert_eq!(usd(-5).to_string(), "-0.05 USD");
        assert_eq!(Money::new(500, Currency::JPY).to_string(), "500 JPY");
        assert_eq!(Money::new(1, "KWD".parse().unwrap()).to_string(), "0.001 KWD");
    }

    #[test]
    fn never_wraps_and_never_mixes() {
        assert_eq!(usd(i64::MAX).plus(usd(1)), Err(Unreckonable::Overflow));
        assert_eq!(usd(i64::MIN).minus(usd(1)), Err(Unreckonable::Overflow));
        assert_eq!(usd(i64::MAX).times(2), Err(Unreckonable::Overflow));
        assert_eq!(
            usd(1).plus(Money::new(1, Currency::EUR)),
            Err(Unreckonable::CurrencyMismatch(Currency::USD, Currency::EUR))
        );
    }

    #[test]
    fn has_a_bound_below_which_the_sums_of_years_fit() {
        assert!(usd(Money::MOST).is_in_range() && usd(-Money::MOST).is_in_range());
        for beyond in [Money::MOST + 1, -Money::MOST - 1, i64::MIN, i64::MAX] {
            assert!(!usd(beyond).is_in_range(), "{beyond}");
        }
        assert!(usd(Money::MOST).times(900_000).is_ok());
    }

    #[test]
    fn rounds_a_share_half_away_from_zero() {
        assert_eq!(usd(999).share(25, 30), Ok(usd(833)));
        assert_eq!(usd(505).share(15, 30), Ok(usd(253)));
        assert_eq!(usd(-505).share(15, 30), Ok(usd(-253)));
        assert_eq!(usd(1).share(1, 0), Err(Unreckonable::Overflow));
    }

    #[test]
    fn gives_the_remainder_to_the_largest_first() {
        assert_eq!(usd(5).allocate(&[1, 99]), Ok(vec![usd(0), usd(5)]));
        assert_eq!(usd(100).allocate(&[1, 1, 1]), Ok(vec![usd(34), usd(33), usd(33)]));
        assert_eq!(usd(-100).allocate(&[1, 1, 1]), Ok(vec![usd(-34), usd(-33), usd(-33)]));
        assert_eq!(usd(100).allocate(&[0, 0]), Err(Unreckonable::NoWeights));
    }

    proptest! {
        #[test]
        fn allocates_the_whole_and_nothing_else(amount: i64, weights in prop::collection::vec(0u64..1_000_000, 1..20)) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let parts = usd(amount).allocate(&weights).unwrap();
            prop_assert_eq!(parts.iter().map(|part| i128::from(part.amount)).sum::<i128>(), i128::from(amount));
            for (part, &weight) in parts.iter().zip(&weights) {
                prop_assert!(weight > 0 || part.is_zero());
            }
        }
    }
}
