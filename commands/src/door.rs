//! Door: what people come in by: the vault, what they are checked by, the slow hash of passwords, how often they may be
//! wrong, and what is recorded of that.

use std::sync::Arc;

use domain::kernel::Kind;
use domain::pii::{Field, Lookup, Opened, Pii, Whose};

use crate::error::{Error, Refused, Result};
use crate::guesses::Guesses;
use crate::identity::denial::Denials;
use crate::identity::workspace::PLATFORM;
use crate::port::credential::Credentials;
use crate::port::password::Passwords;
use crate::port::vault::{Ask, Vault};

/// The ports that people's comings and goings are decided with. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    pub vault: Arc<dyn Vault>,
    pub credentials: Arc<dyn Credentials>,
    pub passwords: Arc<dyn Passwords>,
    pub guesses: Guesses,
    pub denials: Arc<Denials>,
}

/// The longest address that mail has (RFC 5321).
const LONGEST_ADDRESS: usize = 254;

/// An e-mail address as it is compared: without blanks around it, in lower case. (That mail servers may tell letters by
/// their case is allowed, and done by none.)
///
/// # Errors
/// [`Error::Refused`] if it can be no address.
pub fn address(text: &str) -> Result<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').unwrap_or_default();
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let sound = (1..=64).contains(&local.len())
        && text.len() <= LONGEST_ADDRESS
        && local.chars().all(is_local)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.split('.').all(is_label);
    if sound {
        return Ok(text.to_lowercase());
    }
    let message = "this is no e-mail address".to_owned();
    Err(Error::Refused(Refused {
        kind: Kind::Invalid,
        code: "email/bad_address".into(),
        message,
        replayed: false,
    }))
}

impl Door {
    /// By what an address is found, without saying what it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn lookup(&self, address: &str) -> Result<Lookup> {
        Ok(self.vault.lookup(PLATFORM, "email", address).await?)
    }

    /// What a value says; none if it was erased.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also if it was not sealed for where it stands.
    pub async fn open<F: Field>(&self, whose: &Whose, value: &Pii<F>) -> Result<Option<String>> {
        match self.vault.open(&[Ask::of(whose, value)]).await.pop() {
            Some(Opened::Plain(text)) => Ok(Some(text)),
            Some(Opened::Erased) => Ok(None),
            _ => Err(Error::unavailable("the vault does not open this now")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_compared_in_lower_case() {
        for (text, same) in [
            (" Jane.Doe+shop@Example.COM ", "jane.doe+shop@example.com"),
            ("a@b", "a@b"),
            ("jörg@bücher.example", "jörg@bücher.example"),
        ] {
            assert_eq!(address(text).unwrap(), same);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b c",
            "a@b..c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@-b",
            "a@b-",
            "Jane <jane@example.com>",
            "jane@example.com, eve@example.com",
            "jane@example.com\r\nBcc: eve@example.com",
            "\u{202e}jane@example.com",
            &format!("{}@b", "a".repeat(65)),
            &format!("a@{}", "b".repeat(64)),
            &format!("a@{}", "b.".repeat(130)),
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
