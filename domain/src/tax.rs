//! Tax: what a rate makes of amounts, exact until it is rounded, once per line or once per rate.
//!
//! A price may hold its tax (inclusive: net = round(gross × 100 / (100 + rate)), tax = gross − net) or not. Per line,
//! each line's tax is rounded; per rate, the sum of all lines of one rate, whose tax is then shared among them by
//! largest remainder, so that a line can be credited with the tax it bore. Which of them holds is part of the document.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::TaxCode;
use crate::money::{Money, Unreckonable};

#[cfg(test)]
mod tests;

/// A rate of tax in parts per million: 190000 is 19 per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub struct Rate(u32);

/// A number that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is 0 to 10000000 parts per million (1000 per cent)")]
pub struct NotARate;

const WHOLE: i128 = 1_000_000;

impl Rate {
    pub const ZERO: Self = Self(0);
    /// The highest there is.
    pub const HIGHEST: Self = Self(10_000_000);

    #[must_use]
    pub const fn parts_per_million(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Rate {
    type Error = NotARate;
    fn try_from(parts: u32) -> Result<Self, NotARate> {
        if parts <= Self::HIGHEST.0 { Ok(Self(parts)) } else { Err(NotARate) }
    }
}

impl From<Rate> for u32 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

/// Where half a minor unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Rounding {
    #[default]
    HalfAwayFromZero,
    HalfEven,
}

/// What is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RoundPer {
    #[default]
    Line,
    Rate,
}

/// Whether prices hold their tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Prices {
    #[default]
    TaxExclusive,
    TaxInclusive,
}

/// How a document reckons its tax: chosen by who invoices, and kept with what was reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Taxing {
    pub prices: Prices,
    pub round_per: RoundPer,
    pub rounding: Rounding,
}

/// Why no tax is taken, or that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = TaxTreatment))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Treatment {
    Taxed,
    ZeroRated,
    Exempt,
    /// The buyer owes it.
    ReverseCharge,
}

/// A rate as it stood in the table: what a document was reckoned with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AppliedRate {
    pub code: TaxCode,
    /// Of the code's versions.
    pub version: u32,
    #[cfg_attr(feature = "schema", schema(value_type = u32))]
    pub rate: Rate,
    pub treatment: Treatment,
    /// Whose tax it is, e.g. `DE` or `US-NY`.
    pub jurisdiction: String,
}

/// A line's amount, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Taxed {
    pub net: Money,
    pub tax: Money,
}

impl Taxed {
    /// # Errors
    /// [`Unreckonable`] beyond i64.
    pub fn gross(self) -> Result<Money, Unreckonable> {
        self.net.plus(self.tax)
    }
}

/// `numerator / denominator` (above 0), rounded.
fn rounded(numerator: i128, denominator: i128, rounding: Rounding) -> i128 {
    let (whole, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    let up = match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => match rounding {
            Rounding::HalfAwayFromZero => numerator > 0,
            Rounding::HalfEven => whole.rem_euclid(2) == 1,
        },
    };
    whole + i128::from(up)
}

impl Taxing {
    /// An amount of minor units, and the tax in or on it.
    fn tax_of(self, amount: i128, rate: Rate) -> i128 {
        let rate = i128::from(rate.0);
        match self.prices {
            Prices::TaxExclusive => rounded(amount * rate, WHOLE, self.rounding),
            Prices::TaxInclusive => amount - rounded(amount * WHOLE, WHOLE + rate, self.rounding),
        }
    }

    fn apart(self, amount: Money, tax: i128) -> Result<Taxed, Unreckonable> {
        let tax = i64::try_from(tax).map_err(|_| Unreckonable::Overflow)?;
        let tax = Money::new(tax, amount.currency);
        let net = match self.prices {
            Prices::TaxExclusive => amount,
            Prices::TaxInclusive => amount.minus(tax)?,
        };
        let taxed = Taxed { net, tax };
        taxed.gross().map(|_| taxed)
    }

    /// One amount alone.
    ///
    /// # Errors
    /// [`Unreckonable::Overflow`] beyond i64.
    pub fn one(self, amount: Money, rate: Rate) -> Result<Taxed, Unreckonable> {
        self.apart(amount, self.tax_of(amount.amount.into(), rate))
    }

    /// Lines of one rate, in their order. Their sums are those of the document.
    ///
    /// # Errors
    /// [`Unreckonable`] on other currencies or beyond i64.
    pub fn lines(self, amounts: &[Money], rate: Rate) -> Result<Vec<Taxed>, Unreckonable> {
        let taxes: Vec<i128> = match self.round_per {
            RoundPer::Line => amounts.iter().map(|line| self.tax_of(line.amount.into(), rate)).collect(),
            RoundPer::Rate => self.shared(amounts, rate)?,
        };
        amounts.iter().zip(taxes).map(|(&amount, tax)| self.apart(amount, tax)).collect()
    }

    /// The tax of the sum, shared by largest remainder among the lines, earlier ones first among equals. What is
    /// below 0 altogether is shared as if it were above: a credit mirrors what it credits.
    fn shared(self, amounts: &[Money], rate: Rate) -> Result<Vec<i128>, Unreckonable> {
        let Some(first) = amounts.first() else { return Ok(vec![]) };
        let sum = Money::sum(first.currency, amounts.iter().copied())?;
        let sign = if sum.is_negative() { -1 } else { 1 };
        let rate_parts = i128::from(rate.0);
        let whole = match self.prices {
            Prices::TaxExclusive => WHOLE,
            Prices::TaxInclusive => WHOLE + rate_parts,
        };
        let exact: Vec<i128> =
            amounts.iter().map(|line| sign * i128::from(line.amount) * rate_parts).collect();
        let mut parts: Vec<i128> = exact.iter().map(|tax| tax.div_euclid(whole)).collect();
        let left = sign * self.tax_of(sum.amount.into(), rate) - parts.iter().sum::<i128>();
        let mut order: Vec<usize> = (0..amounts.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(exact[i].rem_euclid(whole)), i));
        let left = usize::try_from(left).map_err(|_| Unreckonable::Overflow)?;
        order.iter().take(left).for_each(|&i| parts[i] += 1);
        Ok(parts.into_iter().map(|part| sign * part).collect())
    }
}
