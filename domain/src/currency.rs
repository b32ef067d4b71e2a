//! Currencies: those of ISO 4217 that have a minor unit, as of a date.
//!
//! The table is ours and pinned: an amount that was written down means the same for ever, whatever a library or a
//! locale says of its decimal places. What was withdrawn, and units that are only reckoned in, can be read where they
//! stand; new prices, carts and orders are in currencies that are in use.

mod table;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use table::ALL;

/// The edition of ISO 4217 that the table follows: the date of its list one.
pub const TABLE_VERSION: &str = "2026-01-01";

/// A currency of ISO 4217, by its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Currency(u8);

/// What the table says of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub code: &'static str,
    /// ISO's number for it.
    pub numeric: u16,
    /// How many decimal places its minor unit stands at (USD 2, JPY 0, KWD 3).
    pub exponent: u8,
    pub name: &'static str,
    pub standing: Standing,
}

/// Whether new amounts may be in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is paid with.
    InUse,
    /// It is reckoned in, not paid with: a funds code, an accounting unit.
    Reckoned,
    /// It is not in the list any more.
    Withdrawn {
        /// Since this month.
        since: &'static str,
        /// What took its place.
        by: &'static str,
    },
}

/// A text that is no currency with minor units.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a currency of ISO 4217 that has a minor unit")]
pub struct NotACurrency;

/// Why nothing new can be in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotInUse {
    #[error("{code} was withdrawn in {since}: use {by}")]
    Withdrawn { code: &'static str, since: &'static str, by: &'static str },
    #[error("{code} is reckoned in, and not paid with")]
    Reckoned { code: &'static str },
}

impl Currency {
    pub const USD: Self = Self::known("USD");
    pub const EUR: Self = Self::known("EUR");
    pub const JPY: Self = Self::known("JPY");

    /// All of them, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(ALL.len()).map(Self)
    }

    #[must_use]
    pub const fn entry(self) -> &'static Entry {
        &ALL[self.0 as usize]
    }

    /// How many decimal places its minor unit stands at (USD 2, JPY 0, KWD 3).
    #[must_use]
    pub const fn exponent(self) -> u32 {
        self.entry().exponent as u32
    }

    #[must_use]
    pub const fn code(self) -> &'static str {
        self.entry().code
    }

    /// # Errors
    /// [`NotInUse`]: nothing new is in it.
    pub const fn in_use(self) -> Result<Self, NotInUse> {
        let code = self.code();
        match self.entry().standing {
            Standing::InUse => Ok(self),
            Standing::Reckoned => Err(NotInUse::Reckoned { code }),
            Standing::Withdrawn { since, by } => Err(NotInUse::Withdrawn { code, since, by }),
        }
    }

    const fn known(code: &str) -> Self {
        let (code, mut place) = (code.as_bytes(), 0);
        while place < ALL.len() {
            let other = ALL[place].code.as_bytes();
            if code[0] == other[0] && code[1] == other[1] && code[2] == other[2] {
                #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 256")]
                return Self(place as u8);
            }
            place += 1;
        }
        panic!("this currency is not in the table")
    }
}

/// By its code.
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;
    fn from_str(code: &str) -> Result<Self, NotACurrency> {
        let place = ALL.binary_search_by_key(&code, |entry| entry.code).map_err(|_| NotACurrency)?;
        u8::try_from(place).map(Self).map_err(|_| NotACurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;
    fn try_from(code: String) -> Result<Self, NotACurrency> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code().to_owned()
    }
}

/// A currency that is in use: what a client may name for something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CurrencyInUse(Currency);

impl TryFrom<Currency> for CurrencyInUse {
    type Error = NotInUse;
    fn try_from(currency: Currency) -> Result<Self, NotInUse> {
        currency.in_use().map(Self)
    }
}

impl From<CurrencyInUse> for Currency {
    fn from(CurrencyInUse(currency): CurrencyInUse) -> Currency {
        currency
    }
}

impl TryFrom<String> for CurrencyInUse {
    type Error = String;
    fn try_from(code: String) -> Result<Self, String> {
        let currency: Currency = code.parse().map_err(|e: NotACurrency| e.to_string())?;
        Self::try_from(currency).map_err(|e| e.to_string())
    }
}

impl From<CurrencyInUse> for String {
    fn from(CurrencyInUse(currency): CurrencyInUse) -> String {
        currency.into()
    }
}

#[cfg(feature = "schema")]
crate::schema::published!(Currency, crate::schema::currency());
#[cfg(feature = "schema")]
crate::schema::published!(CurrencyInUse, crate::schema::currency_in_use());

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as it is kept: a change of one exponent would change what is written down.
    #[test]
    fn is_the_table_that_is_kept() {
        let made: String = Currency::all()
            .map(|currency| {
                let Entry { code, numeric, exponent, standing, .. } = currency.entry();
                let standing = match standing {
                    Standing::InUse => "in use".to_owned(),
                    Standing::Reckoned => "reckoned".to_owned(),
                    Standing::Withdrawn { since, by } => format!("withdrawn {since} {by}"),
                };
                format!("{code} {numeric:03} {exponent} {standing}\n")
            })
            .collect();
        assert_eq!(made, include_str!("currency/golden.txt"));
    }

    #[test]
    fn agrees_with_iso_4217_as_another_packs_it() {
        for currency in Currency::all() {
            let Entry { code, numeric, exponent, .. } = *currency.entry();
            let theirs = iso_currency::Currency::from_code(code).unwrap();
            assert_eq!(
                (theirs.numeric(), theirs.exponent().map(u32::from)),
                (numeric, Some(exponent.into()))
            );
        }
    }

    #[test]
    fn every_code_is_found_and_stands_once() {
        assert!(
            ALL.windows(2).all(|two| two[0].code < two[1].code),
            "the table is in the order of its codes"
        );
        assert!(ALL.iter().all(|entry| entry.code.len() == 3));
        for currency in Currency::all() {
            assert_eq!(currency.code().parse(), Ok(currency));
        }
        for code in ["", "usd", "XAU", "XXX", "ANG", "USDX"] {
            assert_eq!(code.parse::<Currency>(), Err(NotACurrency), "{code}");
        }
        assert_eq!((Currency::USD.code(), Currency::JPY.exponent()), ("USD", 0));
    }

    #[test]
    fn what_was_withdrawn_can_be_read_and_not_used() {
        let lev: Currency = serde_json::from_str("\"BGN\"").unwrap();
        assert_eq!(lev.in_use().unwrap_err().to_string(), "BGN was withdrawn in 2026-01: use EUR");
        let unit: Currency = "CLF".parse().unwrap();
        assert_eq!(unit.in_use(), Err(NotInUse::Reckoned { code: "CLF" }));
        // ISO's own successor for it is another code, but both are in use.
        let bolivar: Currency = "VES".parse().unwrap();
        assert_eq!(bolivar.in_use(), Ok(bolivar));
        assert_eq!(Currency::all().filter(|currency| currency.in_use().is_ok()).count(), 155);
        for currency in Currency::all() {
            if let Standing::Withdrawn { by, .. } = currency.entry().standing {
                assert!(by.parse::<Currency>().unwrap().in_use().is_ok(), "{by} took a place and is in use");
            }
        }
    }
}
