//! API key: what a program shows to act in a workspace, and what it may do there.
//!
//! Only the SHA-256 of its secret is known here. Scopes have the form `capability:verb`; `*` is all of the
//! workspace but what reaches past it or into its past ([`RESERVED`]), which must be named.
//! Repeating a request that already took effect decides nothing; a revoked key stays revoked.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// How many scopes a key may have.
pub const MAX_SCOPES: usize = 100;
/// The scope of everything that is not [`RESERVED`].
pub const ALL: &str = "*";
/// Scopes that [`ALL`] does not cover.
pub const RESERVED: [&str; 2] = ["history:write", "platform:operate"];

/// What a key is issued with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What people call it.
    pub name: String,
    pub scopes: BTreeSet<String>,
    /// SHA-256 of the secret, 64 lower-case hexadecimal digits.
    pub secret_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What may be asked of an API key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ApiKeyCommand {
    Issue(Terms),
    /// Take it away, for good.
    Revoke,
}

/// What has happened to an API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum ApiKeyEvent {
    Issued(Terms),
    Revoked,
}

/// Why an API key says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum ApiKeyRefusal {
    #[error("no such API key")]
    Unknown,
    #[error("this API key was issued on other terms")]
    AlreadyIssued,
    #[error("a name has 1 to {MAX_NAME} characters and is not blank")]
    BadName,
    #[error("a key has 1 to {MAX_SCOPES} scopes")]
    BadScopes,
    #[error("`{0}` is no scope: it is `*` or `capability:verb` in lower-case letters and `_`")]
    BadScope(String),
    #[error("the hash of a secret is 64 lower-case hexadecimal digits")]
    BadHash,
}

/// An API key, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    terms: Option<Terms>,
    revoked: bool,
}

impl ApiKey {
    /// What it was issued with, if it may be used at this time.
    #[must_use]
    pub fn usable(&self, at: DateTime<Utc>) -> Option<&Terms> {
        let terms = self.terms.as_ref().filter(|_| !self.revoked)?;
        terms.expires_at.is_none_or(|end| at < end).then_some(terms)
    }
}

/// Whether these scopes allow what needs that one.
#[must_use]
pub fn allow(scopes: &BTreeSet<String>, needed: &str) -> bool {
    scopes.contains(needed) || (scopes.contains(ALL) && !RESERVED.contains(&needed))
}

impl Decider for ApiKey {
    const NAME: &'static str = "identity.api_key";
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Refusal = ApiKeyRefusal;

    fn decide(&self, command: ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        use {ApiKeyCommand as C, ApiKeyEvent as E, ApiKeyRefusal as No};
        let Some(present) = &self.terms else {
            return match command {
                C::Issue(terms) => terms.checked().map(|terms| vec![E::Issued(terms)]),
                C::Revoke => Err(No::Unknown),
            };
        };
        match command {
            C::Issue(terms) if terms == *present => Ok(vec![]),
            C::Issue(_) => Err(No::AlreadyIssued),

            C::Revoke if self.revoked => Ok(vec![]),
            C::Revoke => Ok(vec![E::Revoked]),
        }
    }

    fn evolve(&mut self, event: ApiKeyEvent) {
        match event {
            ApiKeyEvent::Issued(terms) => self.terms = Some(terms),
            ApiKeyEvent::Revoked => self.revoked = true,
        }
    }
}

impl Terms {
    fn checked(self) -> Result<Self, ApiKeyRefusal> {
        use ApiKeyRefusal as No;
        if self.name.trim().is_empty() || self.name.chars().count() > MAX_NAME {
            return Err(No::BadName);
        }
        if !(1..=MAX_SCOPES).contains(&self.scopes.len()) {
            return Err(No::BadScopes);
        }
        if let Some(bad) = self.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(No::BadScope(bad.clone()));
        }
        if self.secret_hash.len() != 64 || !self.secret_hash.bytes().all(is_hex) {
            return Err(No::BadHash);
        }
        Ok(self)
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_scope(text: &str) -> bool {
    let is_word = |word: &str| {
        (1..=32).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    text == ALL || text.split_once(':').is_some_and(|(capability, verb)| is_word(capability) && is_word(verb))
}

impl Event for ApiKeyEvent {}

impl Refusal for ApiKeyRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadyIssued => Kind::Conflict,
            Self::BadName | Self::BadScopes | Self::BadScope(_) | Self::BadHash => Kind::Invalid,
        }
    }
}

sourced!(ApiKey, ApiKeyEvent);

#[cfg(test)]
mod tests {
    use super::{ApiKeyCommand as C, ApiKeyEvent as E, ApiKeyRefusal as No, *};
    use crate::kernel::given;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn scopes<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
        all.map(str::to_owned).into()
    }

    fn terms() -> Terms {
        Terms {
            name: "shop".into(),
            scopes: scopes(["order:place", "cart:manage"]),
            secret_hash: "0a".repeat(32),
            expires_at: Some(at(60)),
        }
    }

    fn refused(terms: Terms) -> No {
        given::<ApiKey>([]).when(C::Issue(terms)).unwrap_err()
    }

    #[test]
    fn is_issued_once_however_often_it_is_asked() {
        assert_eq!(given::<ApiKey>([]).when(C::Issue(terms())), Ok(vec![E::Issued(terms())]));
        let issued = given::<ApiKey>([E::Issued(terms())]);
        assert_eq!(issued.when(C::Issue(terms())), Ok(vec![]));
        assert_eq!(issued.when(C::Issue(Terms { expires_at: None, ..terms() })), Err(No::AlreadyIssued));
    }

    #[test]
    fn has_a_name_scopes_and_a_hash() {
        for name in ["", " ", &"x".repeat(101)] {
            assert_eq!(refused(Terms { name: name.into(), ..terms() }), No::BadName);
        }
        assert_eq!(refused(Terms { scopes: scopes([]), ..terms() }), No::BadScopes);
        let many = (0..101).map(|i| format!("a:{}", "b".repeat(i + 1))).collect();
        assert_eq!(refused(Terms { scopes: many, ..terms() }), No::BadScopes);
        for hash in ["", &"0".repeat(63), &"A".repeat(64), &"g".repeat(64)] {
            assert_eq!(refused(Terms { secret_hash: hash.into(), ..terms() }), No::BadHash);
        }
    }

    #[test]
    fn takes_scopes_of_one_form_only() {
        for good in ["*", "order:place", "api_key:manage", "history:write"] {
            let terms = Terms { scopes: scopes([good]), ..terms() };
            assert!(given::<ApiKey>([]).when(C::Issue(terms)).is_ok(), "{good}");
        }
        for bad in ["", "order", "order:", ":place", "Order:place", "a:b:c", "order:*", "a b:c", "**"] {
            assert_eq!(refused(Terms { scopes: scopes([bad]), ..terms() }), No::BadScope(bad.into()));
        }
    }

    #[test]
    fn a_star_is_all_of_the_workspace_but_not_what_must_be_named() {
        let all = scopes(["*"]);
        assert!(allow(&all, "order:place"));
        assert!(!allow(&all, "platform:operate"));
        assert!(!allow(&all, "history:write"));
        assert!(allow(&scopes(["*", "history:write"]), "history:write"));
        assert!(allow(&scopes(["order:place"]), "order:place"));
        assert!(!allow(&scopes(["order:place"]), "order:cancel"));
    }

    #[test]
    fn is_usable_until_it_expires_or_is_revoked() {
        let issued = given::<ApiKey>([E::Issued(terms())]);
        assert_eq!(issued.0.usable(at(59)), Some(&terms()));
        assert_eq!(issued.0.usable(at(60)), None);
        let revoked = issued.and(C::Revoke);
        assert_eq!(revoked.0.usable(at(0)), None);
        assert_eq!(ApiKey::default().usable(at(0)), None);

        let lasting = Terms { expires_at: None, ..terms() };
        assert_eq!(given::<ApiKey>([E::Issued(lasting.clone())]).0.usable(at(1_000_000)), Some(&lasting));
    }

    #[test]
    fn is_revoked_once_and_for_good() {
        assert_eq!(given::<ApiKey>([E::Issued(terms())]).when(C::Revoke), Ok(vec![E::Revoked]));
        let revoked = given::<ApiKey>([E::Issued(terms()), E::Revoked]);
        assert_eq!(revoked.when(C::Revoke), Ok(vec![]));
        assert_eq!(given::<ApiKey>([]).when(C::Revoke), Err(No::Unknown));
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!(No::Unknown.kind(), Kind::Missing);
        assert_eq!(No::AlreadyIssued.kind(), Kind::Conflict);
        for invalid in [No::BadName, No::BadScopes, No::BadScope("x".into()), No::BadHash] {
            assert_eq!(invalid.kind(), Kind::Invalid);
        }
        assert_eq!(No::BadScope("x".into()).as_ref(), "bad_scope");
    }

    #[test]
    fn its_events_on_disk() {
        let lasting = Terms { expires_at: None, scopes: scopes(["*"]), ..terms() };
        let hash = "0a".repeat(32);
        for (event, json) in [
            (
                E::Issued(terms()),
                format!(
                    r#"{{"type":"Issued","name":"shop","scopes":["cart:manage","order:place"],"secret_hash":"{hash}","expires_at":"2023-11-14T22:14:20Z"}}"#
                ),
            ),
            (
                E::Issued(lasting),
                format!(r#"{{"type":"Issued","name":"shop","scopes":["*"],"secret_hash":"{hash}"}}"#),
            ),
            (E::Revoked, r#"{"type":"Revoked"}"#.to_owned()),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        }
    }
}
