//! Keys: how a program shows who it is.
//!
//! A key is shown as `mw_<workspace>_<key>_<secret>`: the ids without their prefixes, and 256 random bits in
//! base64url. It names its workspace, since a key is a stream of its workspace and nothing finds it otherwise.
//! Only the secret's SHA-256 is known here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use commands::identity::{api_key, workspace};
use commands::{Context, EventStore};
use domain::identity::api_key::{ApiKey, Terms};
use domain::identity::workspace::Workspace;
use domain::ids::{ApiKeyId, WorkspaceId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// How long a key is believed to be as it was last seen: a revoked one, or one of a workspace that was suspended, is
/// refused everywhere soon after.
const REMEMBERED: Duration = Duration::from_secs(1);
/// How many keys are remembered.
const MOST_REMEMBERED: u64 = 10_000;
/// What every key begins with, and no token.
pub const PREFIX: &str = "mw_";
/// The characters of an id without its prefix, and of a secret.
const ID: usize = 26;
const SECRET: usize = 43;

/// A key as its owner shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownKey {
    pub workspace: WorkspaceId,
    pub id: ApiKeyId,
    secret: String,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key of the form mw_<workspace>_<key>_<secret>")]
pub struct NotAKey;

impl ShownKey {
    /// A new key: to be shown once, and forgotten but for the hash of its secret.
    #[must_use]
    pub fn mint(workspace: WorkspaceId, id: ApiKeyId) -> Self {
        Self { workspace, id, secret: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()) }
    }

    /// A key whose secret is made of what is known again (`commands::identity::api_key::secret`).
    #[must_use]
    pub fn made_of(workspace: WorkspaceId, id: ApiKeyId, known: &str) -> Self {
        Self { workspace, id, secret: URL_SAFE_NO_PAD.encode(Sha256::digest(known)) }
    }

    /// SHA-256 of the secret, in lower-case hexadecimal digits: what is stored.
    #[must_use]
    pub fn secret_hash(&self) -> String {
        hex::encode(Sha256::digest(&self.secret))
    }

    /// The whole key, for its owner's eyes only.
    #[must_use]
    pub fn reveal(&self) -> String {
        let bare = |id: String| id.split_once('_').map(|(_, bare)| bare.to_owned()).unwrap_or_default();
        format!("mw_{}_{}_{}", bare(self.workspace.to_string()), bare(self.id.to_string()), self.secret)
    }
}

impl FromStr for ShownKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let parts = text.strip_prefix(PREFIX).filter(|rest| rest.is_ascii()).ok_or(NotAKey)?;
        if parts.len() != ID + 1 + ID + 1 + SECRET {
            return Err(NotAKey);
        }
        let (workspace, rest) = parts.split_at(ID);
        let (id, secret) = rest[1..].split_at(ID);
        let is_secret = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !rest.starts_with('_') || !secret.starts_with('_') || !secret.bytes().all(is_secret) {
            return Err(NotAKey);
        }
        Ok(Self {
            workspace: format!("{}_{workspace}", WorkspaceId::PREFIX).parse().map_err(|_| NotAKey)?,
            id: format!("{}_{id}", ApiKeyId::PREFIX).parse().map_err(|_| NotAKey)?,
            secret: secret[1..].to_owned(),
        })
    }
}

/// Never its secret.
impl std::fmt::Debug for ShownKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.id, self.workspace)
    }
}

/// Issues a new key of the context's workspace.
///
/// # Errors
/// If it is refused, or the database does not answer.
pub async fn issue(
    cx: Context,
    name: &str,
    scopes: impl IntoIterator<Item = impl Into<String>>,
    expires_at: Option<DateTime<Utc>>,
) -> commands::Result<ShownKey> {
    let key = ShownKey::mint(cx.workspace, ApiKeyId::from_uuid(Uuid::now_v7()));
    let scopes: BTreeSet<String> = scopes.into_iter().map(Into::into).collect();
    let terms = Terms {
        name: name.to_owned(),
        scopes,
        secret_hash: key.secret_hash(),
        expires_at,
        networks: BTreeSet::new(),
    };
    api_key::issue(cx, key.id, terms).await?;
    Ok(key)
}

/// A key as the platform knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub scopes: Arc<BTreeSet<String>>,
    known: Arc<ApiKey>,
    /// Whether its workspace takes no commands.
    pub suspended: bool,
}

impl Key {
    /// A key that was issued; none if it never was.
    #[must_use]
    pub fn of(known: Arc<ApiKey>, suspended: bool) -> Option<Self> {
        let scopes = Arc::new(known.terms()?.scopes.clone());
        Some(Self { scopes, known, suspended })
    }

    /// Whether this is the key that is shown, and may be used, and from there.
    #[must_use]
    pub fn admits(&self, shown: &ShownKey, from: IpAddr, now: DateTime<Utc>) -> bool {
        let hash = shown.secret_hash();
        let is_it = |known: &str| bool::from(known.as_bytes().ct_eq(hash.as_bytes()));
        let secret = self.known.secret_hashes(now).fold(false, |found, known| found | is_it(known));
        secret && self.known.usable(now).is_some_and(|terms| terms.admit(from))
    }
}

/// Where keys are known.
#[async_trait]
pub trait KeyRing: Send + Sync + 'static {
    /// A key of a workspace, as it is now.
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>>;
}

/// Keys, as their streams and those of their workspaces say. While the log is heard, what was read once is not asked
/// for again: the log tells what became of it.
pub struct Logged {
    pub store: EventStore,
    pub is_heard: Box<dyn Fn() -> bool + Send + Sync>,
}

#[async_trait]
impl KeyRing for Logged {
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>> {
        if (self.is_heard)() {
            let known = self.store.load::<ApiKey>(workspace, &id).await?.state;
            let holder = self.store.load::<Workspace>(workspace, &workspace).await?.state;
            return Ok(Key::of(known, holder.is_suspended()));
        }
        let Some(known) = api_key::find(&self.store, workspace, id).await? else { return Ok(None) };
        let holder = workspace::find(&self.store, workspace).await?;
        Ok(Key::of(Arc::new(known.key), holder.is_some_and(|holder| holder.suspended.is_some())))
    }
}

/// A ring that remembers for a moment what another one knows.
pub struct Remembering<R> {
    ring: R,
    seen: moka::sync::Cache<(WorkspaceId, ApiKeyId), Option<Key>>,
}

impl<R: KeyRing> Remembering<R> {
    pub fn new(ring: R) -> Self {
        let seen =
            moka::sync::Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REMEMBERED).build();
        Self { ring, seen }
    }
}

#[async_trait]
impl<R: KeyRing> KeyRing for Remembering<R> {
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>> {
        if let Some(key) = self.seen.get(&(workspace, id)) {
            return Ok(key);
        }
        let key = self.ring.find(workspace, id).await?;
        self.seen.insert((workspace, id), key.clone());
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use domain::identity::api_key::ApiKeyEvent;
    use domain::kernel::Decider;

    use super::*;

    fn minted() -> ShownKey {
        ShownKey::mint(WorkspaceId::from_uuid(Uuid::from_u128(7)), ApiKeyId::from_uuid(Uuid::from_u128(9)))
    }

    fn issued(shown: &ShownKey, networks: &[&str]) -> ApiKeyEvent {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let (name, scopes, secret_hash) = ("shop".into(), BTreeSet::default(), shown.secret_hash());
        ApiKeyEvent::Issued(Terms { name, scopes, secret_hash, expires_at: Some(END), networks })
    }

    fn key<const N: usize>(events: [ApiKeyEvent; N]) -> Key {
        let mut known = ApiKey::default();
        events.into_iter().for_each(|event| known.evolve(event));
        Key::of(Arc::new(known), false).unwrap()
    }

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
    const LATER: DateTime<Utc> = DateTime::from_timestamp(60, 0).unwrap();
    const END: DateTime<Utc> = DateTime::from_timestamp(120, 0).unwrap();
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

    #[test]
    fn comes_back_as_it_was_shown() {
        let key = minted();
        assert_eq!(key.reveal().parse(), Ok(key.clone()));
        assert_eq!(key.reveal().len(), "mw_".len() + 26 + 1 + 26 + 1 + 43);
        assert!(!format!("{key:?}").contains(&key.secret));
    }

    #[test]
    fn takes_no_other_form() {
        let good = minted().reveal();
        for bad in
            ["", "mw_", &good[1..], &good[..good.len() - 1], &format!("{good}x"), &good.replace("mw_", "mw-")]
        {
            assert_eq!(bad.parse::<ShownKey>(), Err(NotAKey), "{bad}");
        }
        assert_eq!("mw_é".repeat(24).parse::<ShownKey>(), Err(NotAKey));
    }

    #[test]
    fn admits_its_secret_until_it_is_revoked_or_expires() {
        let shown = minted();
        let good = key([issued(&shown, &[])]);
        assert!(good.admits(&shown, HERE, NOW));
        assert!(!good.admits(&minted(), HERE, NOW));
        assert!(!good.admits(&shown, HERE, END));
        assert!(!key([issued(&shown, &[]), ApiKeyEvent::Revoked]).admits(&shown, HERE, NOW));
        assert_eq!(Key::of(Arc::default(), false), None);
    }

    #[test]
    fn admits_its_last_secret_for_a_while_beside_the_present_one() {
        let (last, present) = (minted(), minted());
        let rotated = ApiKeyEvent::Rotated { secret_hash: present.secret_hash(), kept_until: LATER };
        let key = key([issued(&last, &[]), rotated]);
        assert!(key.admits(&last, HERE, NOW) && key.admits(&present, HERE, NOW));
        assert!(!key.admits(&last, HERE, LATER) && key.admits(&present, HERE, LATER));
        assert!(!key.admits(&present, HERE, END));
    }

    #[test]
    fn admits_from_its_networks_only_if_it_has_any() {
        let shown = minted();
        assert!(key([issued(&shown, &["192.0.2.0/24"])]).admits(&shown, HERE, NOW));
        assert!(!key([issued(&shown, &["192.0.3.0/24", "2001:db8::/32"])]).admits(&shown, HERE, NOW));
    }

    #[test]
    fn a_secret_that_is_made_of_what_is_known_is_made_again() {
        let of = |known| {
            let (workspace, id) = (minted().workspace, minted().id);
            ShownKey::made_of(workspace, id, known)
        };
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a").reveal().parse(), Ok(of("a")));
    }
}
