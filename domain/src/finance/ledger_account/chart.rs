//! The chart: the accounts that business events are posted to. Each is opened when it is first needed.
//!
//! All are shared (docs/adr/0025): nothing is decided on what they hold, so no payment and no parcel waits for another.
//! Whoever opened an account of such a name before has it taken as it is.

use super::Class;
use crate::ids::{LedgerAccountId, OrderId};
use crate::money::Currency;

/// An account of the chart, in whatever currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chart {
    /// What the payment provider has taken and not paid out to us.
    Clearing,
    /// What was paid past the provider: into a bank, in cash.
    Bank,
    /// What customers have paid for an order and not got yet, or are to get back.
    Unearned(OrderId),
    /// What customers have got of an order and not paid yet.
    Receivable(OrderId),
    /// Money that nobody has said what it is for.
    Suspense,
    /// Tax on what was sold, as orders say it.
    SalesTax,
    /// What goods were sold for, less what came back and was given away.
    Sales,
    /// What sending them was paid with.
    Shipping,
    /// What the provider keeps for itself.
    ProviderFees,
}

impl Chart {
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Clearing | Self::Bank | Self::Receivable(_) => Class::Asset,
            Self::Unearned(_) | Self::Suspense | Self::SalesTax => Class::Liability,
            Self::Sales | Self::Shipping => Class::Income,
            Self::ProviderFees => Class::Expense,
        }
    }

    /// Its account in a currency.
    #[must_use]
    pub fn account(self, currency: Currency) -> LedgerAccountId {
        let path = match self {
            Self::Clearing => "psp:gateway:clearing".to_owned(),
            Self::Bank => "bank:main".to_owned(),
            Self::Unearned(order) => format!("order:{order}:unearned"),
            Self::Receivable(order) => format!("ar:{order}"),
            Self::Suspense => "suspense".to_owned(),
            Self::SalesTax => "tax:sales:payable".to_owned(),
            Self::Sales => "rev:sales".to_owned(),
            Self::Shipping => "rev:shipping".to_owned(),
            Self::ProviderFees => "exp:psp".to_owned(),
        };
        LedgerAccountId::known(path, currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn each_has_a_name_that_is_one() {
        let order = OrderId::from_uuid(Uuid::from_u128(u128::MAX));
        for (account, name) in [
            (Chart::Clearing, "psp:gateway:clearing@JPY".to_owned()),
            (Chart::Bank, "bank:main@JPY".into()),
            (Chart::Unearned(order), format!("order:{order}:unearned@JPY")),
            (Chart::Receivable(order), format!("ar:{order}@JPY")),
            (Chart::Suspense, "suspense@JPY".into()),
            (Chart::SalesTax, "tax:sales:payable@JPY".into()),
            (Chart::Sales, "rev:sales@JPY".into()),
            (Chart::Shipping, "rev:shipping@JPY".into()),
            (Chart::ProviderFees, "exp:psp@JPY".into()),
        ] {
            assert_eq!(name.parse(), Ok(account.account(Currency::JPY)), "{name}");
        }
    }
}
