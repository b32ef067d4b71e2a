//! Ledger account ids: a path in the workspace's chart of accounts, and the one currency that the account is in.
//!
//! `psp:gateway:clearing@USD`. The currency is part of the name: whether two accounts can take part in one leg is told
//! by their names alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::Currency;

/// The longest path, in characters.
const LONGEST: usize = 128;

/// An account of the ledger: 1 to 8 words of `a-z 0-9 _ -` with `:` between them, `@`, and a currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LedgerAccountId {
    path: String,
    currency: Currency,
}

/// A text that names no account of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an account is <path>@<currency>, its path 1 to 8 words of a-z 0-9 _ - with : between them")]
pub struct NotALedgerAccount;

impl LedgerAccountId {
    /// One whose path is known to be one.
    pub(crate) fn known(path: String, currency: Currency) -> Self {
        debug_assert!(is_path(&path), "{path}");
        Self { path, currency }
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }
}

fn is_path(text: &str) -> bool {
    let is_word = |word: &str| {
        word.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
    };
    text.len() <= LONGEST && text.split(':').count() <= 8 && text.split(':').all(is_word)
}

impl fmt::Display for LedgerAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.path, self.currency)
    }
}

impl FromStr for LedgerAccountId {
    type Err = NotALedgerAccount;
    fn from_str(text: &str) -> Result<Self, NotALedgerAccount> {
        let (path, currency) = text.split_once('@').ok_or(NotALedgerAccount)?;
        let currency = currency.parse().map_err(|_| NotALedgerAccount)?;
        if is_path(path) { Ok(Self { path: path.to_owned(), currency }) } else { Err(NotALedgerAccount) }
    }
}

impl TryFrom<String> for LedgerAccountId {
    type Error = NotALedgerAccount;
    fn try_from(text: String) -> Result<Self, NotALedgerAccount> {
        text.parse()
    }
}

impl From<LedgerAccountId> for String {
    fn from(id: LedgerAccountId) -> String {
        id.to_string()
    }
}

#[cfg(feature = "schema")]
crate::schema::published!(LedgerAccountId, crate::schema::ledger_account());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_path_and_a_currency() {
        let id: LedgerAccountId = "psp:gateway:clearing@USD".parse().unwrap();
        assert_eq!((id.path(), id.currency()), ("psp:gateway:clearing", Currency::USD));
        assert_eq!(id.to_string(), "psp:gateway:clearing@USD");
        let long = format!("{}@USD", "a".repeat(LONGEST));
        for good in ["a@EUR", "cust:cus_01h455vb4pex5vsknk084sn02q:wallet@JPY", "1-a:2_b@USD", &long] {
            assert_eq!(good.parse::<LedgerAccountId>().unwrap().to_string(), good);
        }
        let longer = format!("{}@USD", "a".repeat(LONGEST + 1));
        for bad in [
            "",
            "@USD",
            "a",
            "a@usd",
            "a@XXX",
            "A@USD",
            "a b@USD",
            "a::b@USD",
            ":a@USD",
            "a:@USD",
            "_a@USD",
            "a@USD@USD",
            "ä@USD",
            "a:b:c:d:e:f:g:h:i@USD",
            &longer,
        ] {
            assert_eq!(bad.parse::<LedgerAccountId>(), Err(NotALedgerAccount), "{bad}");
        }
    }
}
