//! Fees: what the platform takes of an amount, and who bears it.
//!
//! So many basis points of the gross plus a fixed amount, at least and at most so much; borne by the buyer, the seller,
//! or both by weights. It is reckoned once, stored with what it was taken of, and never again (domain.md C9).

use serde::{Deserialize, Serialize};

use crate::money::{Money, Unreckonable};

#[cfg(test)]
mod tests;

const WHOLE: i64 = 10_000;

/// Who bears a fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = FeePayer))]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    Buyer,
    Seller,
    /// Both, by these weights.
    Split {
        buyer: u32,
        seller: u32,
    },
}

/// The terms of a fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FeePlan {
    /// Of the gross, 0 to 10000.
    pub basis_points: u16,
    pub fixed: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Money>,
    pub payer: Payer,
}

/// A fee that was reckoned: the parts are the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Fee {
    pub amount: Money,
    /// What the buyer pays on top of the gross.
    pub buyer: Money,
    /// What the seller gets less than the gross.
    pub seller: Money,
}

/// Why there is no fee of such terms, or of such an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFee {
    #[error("basis points are 0 to 10000")]
    InvalidBasisPoints,
    #[error("a fee and what it is taken of are 0 or more")]
    NegativeAmount,
    #[error("the least that a fee is, is at most the most")]
    LeastAboveMost,
    #[error("of the weights of buyer and seller, one is above 0")]
    NoWeights,
    #[error("the seller would get less than nothing: the fee is {fee} of {gross}")]
    ExceedsAmount { fee: Money, gross: Money },
    #[error(transparent)]
    Unreckonable(#[from] Unreckonable),
}

impl FeePlan {
    /// # Errors
    /// [`NoFee`]: the terms make no sense.
    pub fn check(&self) -> Result<(), NoFee> {
        let currency = self.fixed.currency;
        let bounds = [self.least, self.most].into_iter().flatten();
        if i64::from(self.basis_points) > WHOLE {
            return Err(NoFee::InvalidBasisPoints);
        }
        for amount in bounds.chain([self.fixed]) {
            if amount.currency != currency {
                return Err(Unreckonable::CurrencyMismatch(currency, amount.currency).into());
            }
            if amount.is_negative() {
                return Err(NoFee::NegativeAmount);
            }
        }
        match (self.least, self.most, self.payer) {
            (Some(least), Some(most), _) if least.amount > most.amount => Err(NoFee::LeastAboveMost),
            (_, _, Payer::Split { buyer: 0, seller: 0 }) => Err(NoFee::NoWeights),
            _ => Ok(()),
        }
    }

    /// The fee of a gross amount.
    ///
    /// # Errors
    /// [`NoFee`] if the terms make no sense, the currencies differ, or the seller would owe for having sold.
    pub fn of(&self, gross: Money) -> Result<Fee, NoFee> {
        self.check()?;
        if gross.is_negative() {
            return Err(NoFee::NegativeAmount);
        }
        let reckoned = gross.share(self.basis_points.into(), WHOLE)?.plus(self.fixed)?;
        let least = self.least.map_or(reckoned.amount, |least| reckoned.amount.max(least.amount));
        let amount = Money { amount: self.most.map_or(least, |most| least.min(most.amount)), ..reckoned };
        let (buyer, seller) = match self.payer {
            Payer::Buyer => (amount, Money::zero(amount.currency)),
            Payer::Seller => (Money::zero(amount.currency), amount),
            Payer::Split { buyer, seller } => {
                let parts = amount.allocate(&[buyer.into(), seller.into()])?;
                (parts[0], parts[1])
            }
        };
        if seller.amount > gross.amount {
            return Err(NoFee::ExceedsAmount { fee: seller, gross });
        }
        Ok(Fee { amount, buyer, seller })
    }
}

impl Fee {
    /// What each of several sellers bears of it, by what each sold: largest remainder, so the parts are the whole.
    ///
    /// # Errors
    /// [`NoFee`] if someone sold for less than nothing, or nobody for anything.
    pub fn shared_by(&self, sold: &[Money]) -> Result<Vec<Money>, NoFee> {
        if let Some(other) = sold.iter().find(|gross| gross.currency != self.amount.currency) {
            return Err(Unreckonable::CurrencyMismatch(self.amount.currency, other.currency).into());
        }
        let weights = sold.iter().map(|gross| u64::try_from(gross.amount).map_err(|_| NoFee::NegativeAmount));
        Ok(self.seller.allocate(&weights.collect::<Result<Vec<_>, _>>()?)?)
    }
}
