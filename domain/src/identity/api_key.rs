//! API key: what a program shows to act in a workspace, and what it may do there.
//!
//! Only the SHA-256 of its secret is known here. Scopes are permissions (`permission`): `*` is all of the workspace
//! but what reaches past it or into its past, which must be named. It gets another secret by rotation; the last one
//! may be used a while longer, so that two are good at most. It may be bound to networks.
//! Repeating a request that already took effect decides nothing; a revoked key stays revoked.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::ApiKeyId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::permission::is_scope;
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// How many scopes a key may have.
pub const MAX_SCOPES: usize = 100;
/// To how many networks a key may be bound.
pub const MAX_NETWORKS: usize = 50;
/// How long the last secret may be used after a rotation, at most.
pub const KEEPS: TimeDelta = TimeDelta::days(7);

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
    /// Where it may be used from; anywhere if empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub networks: BTreeSet<Network>,
}

/// Addresses of the network that have a number of bits in common: `10.1.0.0/16`, `2001:db8::/32`, `192.0.2.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a network is an address, or one and how many bits of it count, as in 192.0.2.7, 10.1.0.0/16 or 2001:db8::/32"
)]
pub struct NotANetwork;

/// What may be asked of an API key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ApiKeyCommand {
    Issue(Terms),
    /// Have another secret; the present one is good until then.
    Rotate {
        secret_hash: String,
        keep_until: DateTime<Utc>,
        at: DateTime<Utc>,
    },
    /// Take it away, for good.
    Revoke,
}

/// What has happened to an API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum ApiKeyEvent {
    Issued(Terms),
    Rotated { secret_hash: String, kept_until: DateTime<Utc> },
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
    #[error("the API key was revoked")]
    Revoked,
    #[error("a name has 1 to {MAX_NAME} characters and is not blank")]
    BadName,
    #[error("a key has 1 to {MAX_SCOPES} scopes")]
    BadScopes,
    #[error("`{0}` is no scope: it is `*` or `capability:verb` in lower-case letters and `_`")]
    BadScope(String),
    #[error("the hash of a secret is 64 lower-case hexadecimal digits")]
    BadHash,
    #[error("a key is bound to at most {MAX_NETWORKS} networks")]
    BadNetworks,
    #[error("the last secret is kept for at most seven days")]
    KeptTooLong,
}

/// An API key, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    terms: Option<Terms>,
    /// The last secret's hash, and until when it is good.
    last: Option<(String, DateTime<Utc>)>,
    revoked: bool,
}

impl ApiKey {
    /// What it was issued with, if it may be used at this time.
    #[must_use]
    pub fn usable(&self, at: DateTime<Utc>) -> Option<&Terms> {
        let terms = self.terms.as_ref().filter(|_| !self.revoked)?;
        terms.expires_at.is_none_or(|end| at < end).then_some(terms)
    }

    /// What it was issued with, and the hash of its present secret, whether it may be used or not.
    #[must_use]
    pub const fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// The hashes of the secrets that are good at this time: one or two, none if it may not be used.
    pub fn secret_hashes(&self, at: DateTime<Utc>) -> impl Iterator<Item = &str> {
        let present = self.usable(at).map(|terms| terms.secret_hash.as_str());
        let last = self.last.as_ref().filter(move |(_, until)| present.is_some() && at < *until);
        present.into_iter().chain(last.map(|(hash, _)| hash.as_str()))
    }
}

impl Decider for ApiKey {
    const NAME: &'static str = "identity.api_key";
    type Id = ApiKeyId;
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Refusal = ApiKeyRefusal;

    fn decide(&self, command: ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        use {ApiKeyCommand as C, ApiKeyEvent as E, ApiKeyRefusal as No};
        let Some(present) = &self.terms else {
            return match command {
                C::Issue(terms) => terms.checked().map(|terms| vec![E::Issued(terms)]),
                C::Rotate { .. } | C::Revoke => Err(No::Unknown),
            };
        };
        match command {
            C::Issue(terms) if terms == *present => Ok(vec![]),
            C::Issue(_) => Err(No::AlreadyIssued),

            C::Revoke if self.revoked => Ok(vec![]),
            C::Revoke => Ok(vec![E::Revoked]),

            C::Rotate { .. } if self.revoked => Err(No::Revoked),
            C::Rotate { secret_hash, .. } if !is_hash(&secret_hash) => Err(No::BadHash),
            C::Rotate { secret_hash, .. } if secret_hash == present.secret_hash => Ok(vec![]),
            C::Rotate { keep_until, at, .. } if keep_until > at + KEEPS => Err(No::KeptTooLong),
            C::Rotate { secret_hash, keep_until: kept_until, .. } => {
                Ok(vec![E::Rotated { secret_hash, kept_until }])
            }
        }
    }

    fn evolve(&mut self, event: ApiKeyEvent) {
        match event {
            ApiKeyEvent::Issued(terms) => self.terms = Some(terms),
            ApiKeyEvent::Rotated { secret_hash, kept_until } => {
                self.last = self
                    .terms
                    .as_mut()
                    .map(|terms| (std::mem::replace(&mut terms.secret_hash, secret_hash), kept_until));
            }
            ApiKeyEvent::Revoked => self.revoked = true,
        }
    }
}

impl Terms {
    fn checked(self) -> Result<Self, ApiKeyRefusal> {
        use ApiKeyRefusal as No;
        if is_blank(&self.name) || self.name.chars().count() > MAX_NAME {
            return Err(No::BadName);
        }
        if !(1..=MAX_SCOPES).contains(&self.scopes.len()) {
            return Err(No::BadScopes);
        }
        if let Some(bad) = self.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(No::BadScope(bad.clone()));
        }
        if !is_hash(&self.secret_hash) {
            return Err(No::BadHash);
        }
        if self.networks.len() > MAX_NETWORKS { Err(No::BadNetworks) } else { Ok(self) }
    }

    /// Whether it may be used from there.
    #[must_use]
    pub fn admit(&self, from: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.has(from))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Network {
    /// Whether an address lies in it. One of IPv4 written as IPv6 is the same address.
    #[must_use]
    pub fn has(self, address: IpAddr) -> bool {
        let masked = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (4, u128::from(v4.to_bits()).checked_shr(u32::from(32 - self.bits.min(32)))),
            IpAddr::V6(v6) => (6, v6.to_bits().checked_shr(u32::from(128 - self.bits))),
        };
        masked(self.address) == masked(address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let plain =
            |bits: &str| bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
        let bits = match bits {
            None => most,
            Some(bits) if plain(bits) => bits.parse().map_err(|_| NotANetwork)?,
            Some(_) => return Err(NotANetwork),
        };
        // One that is written as IPv6 and means IPv4 would be read in two ways.
        if bits > most || address != address.to_canonical() {
            Err(NotANetwork)
        } else {
            Ok(Self { address, bits })
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;
    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

#[cfg(feature = "schema")]
crate::schema::published!(Network, crate::schema::network());

impl Event for ApiKeyEvent {}

impl Refusal for ApiKeyRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadyIssued | Self::Revoked => Kind::Conflict,
            Self::BadName
            | Self::BadScopes
            | Self::BadScope(_)
            | Self::BadHash
            | Self::BadNetworks
            | Self::KeptTooLong => Kind::Invalid,
        }
    }
}

sourced!(ApiKey, ApiKeyEvent);
