//! Vault: the keys of personal data, in PostgreSQL, wrapped by epoch keys that lie in a file (docs/adr/0017).
//!
//! Unwrapped keys are cached, and only as long as the vault was heard within four seconds: each second it says which were
//! destroyed. So five seconds after a key is gone nobody opens with it, and a vault that is away opens nothing.

mod envelope;
mod key_file;
mod rotation;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use commands::port::vault::{Ask, Vault, VaultError};
use domain::ids::WorkspaceId;
use domain::pii::{Class, LONGEST, Lookup, Opened, Place, Sealed, Whose};
use sqlx::PgPool;
use tokio::sync::OnceCell;
use uuid::Uuid;

use envelope::{Epoch, KeyName, Secret, secret};
use key_file::KeyFile;

pub use key_file::BadKeyFile;
pub use rotation::{Rotated, rotate};

/// How often the vault is asked what was destroyed.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long what it said holds.
const HOLDS: Duration = Duration::from_secs(4);
/// How often a key is read again while rotations are ahead.
const TRIES: u32 = 3;
/// A workspace's own key, for keyed hashes, stands under no person and this class.
const INDEX: &str = "index";

/// The vault of a database.
pub struct PgVault {
    pool: PgPool,
    key_file: PathBuf,
    epochs: OnceCell<RwLock<KeyFile>>,
    /// Keys by their ids, and whose they are.
    keys: moka::sync::Cache<Uuid, Arc<Key>>,
    ids: moka::sync::Cache<Owner, Uuid>,
    /// When the vault was last asked what was destroyed, of the times that it answered.
    heard: RwLock<Option<Instant>>,
}

/// A key, unwrapped.
struct Key {
    owner: Owner,
    secret: Secret,
}

/// Whose key, by its columns: workspace, person (or nobody), class.
type Owner = (Uuid, String, String);

/// What is known of a key.
enum Known {
    Here(Uuid, Arc<Key>),
    Destroyed(Owner),
}

/// Why a key cannot be had now.
#[derive(Debug, thiserror::Error)]
enum NoKey {
    #[error("the vault's database does not answer")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    KeyFile(#[from] BadKeyFile),
    #[error("the key file has no key of epoch {0}")]
    Epoch(i64),
    #[error("a key does not unwrap")]
    Forged,
}

impl From<NoKey> for VaultError {
    fn from(error: NoKey) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Self::Unavailable(format!("{error}{}", source.unwrap_or_default()))
    }
}

impl PgVault {
    /// Over a database that is migrated, with so many keys in memory at most. It is asked for nothing before it has to
    /// be, so the platform starts without it. The key file is made for a vault that has no keys yet.
    #[must_use]
    pub fn new(pool: PgPool, key_file: &Path, cached_keys: u64) -> Arc<Self> {
        let vault = Arc::new(Self {
            pool,
            key_file: key_file.to_owned(),
            epochs: OnceCell::new(),
            keys: moka::sync::Cache::new(cached_keys),
            ids: moka::sync::Cache::new(cached_keys),
            heard: RwLock::new(None),
        });
        tokio::spawn(listen(Arc::downgrade(&vault)));
        vault
    }

    /// Whether the vault was heard just now: keys in memory may be used.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        let heard = *self.heard.read().expect("no holder panics");
        heard.is_some_and(|heard| heard.elapsed() < HOLDS)
    }

    /// Drops what was destroyed from memory; all of it if the vault was not heard for too long.
    async fn hear(&self) -> Result<(), NoKey> {
        if !self.is_heard() {
            self.keys.invalidate_all();
            self.ids.invalidate_all();
        }
        let asked = Instant::now();
        // More than since the last time: who had read a key before it was destroyed may cache it afterwards.
        let destroyed = sqlx::query!(
            "select key_id, workspace_id, subject, class from vault.keys
             where destroyed_at > clock_timestamp() - interval '1 minute'"
        )
        .fetch_all(&self.pool)
        .await?;
        for key in destroyed {
            self.keys.invalidate(&key.key_id);
            self.ids.invalidate(&(key.workspace_id, key.subject, key.class));
        }
        *self.heard.write().expect("no holder panics") = Some(asked);
        if let Some(epochs) = self.epochs.get() {
            let is_stale = epochs.read().expect("no holder panics").is_stale();
            if is_stale {
                self.read_again(epochs)?;
            }
        }
        Ok(())
    }

    /// The epoch keys; the first time it is looked at whether they are this vault's.
    async fn epochs(&self) -> Result<&RwLock<KeyFile>, NoKey> {
        self.epochs.get_or_try_init(|| async { self.prepare().await.map(RwLock::new) }).await
    }

    async fn prepare(&self) -> Result<KeyFile, NoKey> {
        let known = sqlx::query!(
            "select epoch, proof from vault.epochs where retired_at is null order by epoch desc"
        )
        .fetch_all(&self.pool)
        .await?;
        let Some(newest) = known.first() else {
            let file = KeyFile::make(&self.key_file)?;
            let first = file.newest().ok_or_else(|| BadKeyFile::Another(self.key_file.clone()))?;
            sqlx::query!(
                "insert into vault.epochs (epoch, proof) values ($1, $2) on conflict do nothing",
                first.number,
                first.proof()
            )
            .execute(&self.pool)
            .await?;
            let proof = sqlx::query_scalar!("select proof from vault.epochs where epoch = $1", first.number)
                .fetch_one(&self.pool)
                .await?;
            if proof != first.proof() {
                return Err(BadKeyFile::Another(self.key_file.clone()).into());
            }
            return Ok(file);
        };
        let missing = || BadKeyFile::Missing(self.key_file.clone());
        let file = KeyFile::read(&self.key_file)?.ok_or_else(missing)?;
        let mut ours = known.iter().filter_map(|row| file.get(row.epoch).map(|epoch| (epoch, &row.proof)));
        match ours.next() {
            Some((epoch, proof)) if epoch.proof() == *proof => Ok(file),
            // A rotation may just have begun: its epoch is noted before its key is in the file.
            _ => {
                tracing::error!(epoch = newest.epoch, "the key file is not this vault's");
                Err(BadKeyFile::Another(self.key_file.clone()).into())
            }
        }
    }

    fn read_again(&self, epochs: &RwLock<KeyFile>) -> Result<(), NoKey> {
        let missing = || BadKeyFile::Missing(self.key_file.clone());
        *epochs.write().expect("no holder panics") = KeyFile::read(&self.key_file)?.ok_or_else(missing)?;
        Ok(())
    }

    async fn epoch(&self, number: i64) -> Result<Epoch, NoKey> {
        let epochs = self.epochs().await?;
        let get = || epochs.read().expect("no holder panics").get(number).cloned();
        if let Some(epoch) = get() {
            return Ok(epoch);
        }
        self.read_again(epochs)?;
        get().ok_or(NoKey::Epoch(number))
    }

    /// The key of a person and class, or of a workspace; made if there is none.
    async fn key_for(&self, owner: Owner) -> Result<Known, NoKey> {
        if self.is_heard()
            && let Some(id) = self.ids.get(&owner)
            && let Some(key) = self.keys.get(&id)
        {
            return Ok(Known::Here(id, key));
        }
        // Rotations under way may be ahead of what was read: then it is read again.
        let mut behind = NoKey::Forged;
        for _ in 0..TRIES {
            match self.look_up(&owner).await {
                Ok(Some(known)) => return Ok(known),
                Ok(None) => {}
                Err(error @ NoKey::Epoch(_)) => {
                    behind = error;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let epochs = self.epochs().await?;
            let newest = epochs.read().expect("no holder panics").newest().cloned();
            let newest = newest.ok_or_else(|| BadKeyFile::Another(self.key_file.clone()))?;
            if !self.make(&owner, &newest).await? {
                behind = NoKey::Epoch(newest.number);
                self.read_again(epochs)?;
            }
        }
        Err(behind)
    }

    /// Makes a key, unless somebody was faster; whether the epoch may still wrap any.
    async fn make(&self, owner: &Owner, epoch: &Epoch) -> Result<bool, NoKey> {
        let (id, secret) = (Uuid::now_v7(), secret());
        let name = KeyName { workspace: owner.0, subject: &owner.1, class: &owner.2, key: id };
        // An epoch that a rotation has retired wraps nothing new: its key is about to be removed.
        let live = sqlx::query_scalar!(
            r#"with live as (select epoch from vault.epochs where epoch = $5 and retired_at is null for share),
                    made as (insert into vault.keys (workspace_id, subject, class, key_id, epoch, wrapped)
                             select $1::uuid, $2::text, $3::text, $4::uuid, epoch, $6::bytea from live
                             on conflict do nothing)
               select exists (select from live) as "live!""#,
            owner.0,
            owner.1,
            owner.2,
            id,
            epoch.number,
            epoch.wrap(name, &secret)
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(live)
    }

    async fn look_up(&self, owner: &Owner) -> Result<Option<Known>, NoKey> {
        let row = sqlx::query!(
            "select key_id, epoch, wrapped from vault.keys where workspace_id = $1 and subject = $2 and class = $3",
            owner.0,
            owner.1,
            owner.2
        )
        .fetch_optional(&self.pool)
        .await?;
        match row {
            Some(row) => self.known(row.key_id, owner.clone(), row.epoch, row.wrapped).await.map(Some),
            None => Ok(None),
        }
    }

    /// A key from its row, into memory.
    async fn known(
        &self,
        id: Uuid,
        owner: Owner,
        epoch: Option<i64>,
        wrapped: Option<Vec<u8>>,
    ) -> Result<Known, NoKey> {
        let (Some(epoch), Some(wrapped)) = (epoch, wrapped) else { return Ok(Known::Destroyed(owner)) };
        let name = KeyName { workspace: owner.0, subject: &owner.1, class: &owner.2, key: id };
        let secret = self.epoch(epoch).await?.unwrap(name, &wrapped).map_err(|_| NoKey::Forged)?;
        let key = Arc::new(Key { owner, secret });
        self.keys.insert(id, key.clone());
        self.ids.insert(key.owner.clone(), id);
        Ok(Known::Here(id, key))
    }

    /// What is known of these keys: those in memory, and the others at once.
    async fn find(&self, ids: BTreeSet<Uuid>) -> HashMap<Uuid, Known> {
        let heard = self.is_heard();
        let mut found = HashMap::with_capacity(ids.len());
        let mut unknown = Vec::new();
        for id in ids {
            match self.keys.get(&id).filter(|_| heard) {
                Some(key) => _ = found.insert(id, Known::Here(id, key)),
                None => unknown.push(id),
            }
        }
        if unknown.is_empty() {
            return found;
        }
        for _ in 0..TRIES {
            match self.read(&unknown, &mut found).await {
                Ok(behind) if behind.is_empty() => break,
                Ok(behind) => unknown = behind,
                Err(error) => {
                    tracing::warn!(error = %error, "the vault's database does not answer");
                    break;
                }
            }
        }
        found
    }

    /// Reads keys; answers those of which a rotation was ahead.
    async fn read(&self, ids: &[Uuid], found: &mut HashMap<Uuid, Known>) -> Result<Vec<Uuid>, sqlx::Error> {
        let rows = sqlx::query!(
            "select key_id, workspace_id, subject, class, epoch, wrapped from vault.keys where key_id = any ($1)",
            ids
        )
        .fetch_all(&self.pool)
        .await?;
        let mut behind = Vec::new();
        for row in rows {
            let owner = (row.workspace_id, row.subject, row.class);
            match self.known(row.key_id, owner, row.epoch, row.wrapped).await {
                Ok(known) => _ = found.insert(row.key_id, known),
                Err(error) => {
                    tracing::warn!(key = %row.key_id, error = %error, "a key cannot be had");
                    if matches!(error, NoKey::Epoch(_)) {
                        behind.push(row.key_id);
                    }
                }
            }
        }
        Ok(behind)
    }
}

fn owner(whose: &Whose, class: Class) -> Owner {
    (whose.workspace.uuid(), whose.subject.as_str().to_owned(), class.as_ref().to_owned())
}

#[async_trait]
impl Vault for PgVault {
    async fn seal(&self, whose: &Whose, place: Place, text: &str) -> Result<Sealed, VaultError> {
        if text.len() > LONGEST {
            return Err(VaultError::TooLong);
        }
        match self.key_for(owner(whose, place.class)).await? {
            Known::Destroyed(_) => Err(VaultError::Erased),
            Known::Here(id, key) => {
                envelope::seal(&key.secret, id, whose, place, text).ok_or(VaultError::TooLong)
            }
        }
    }

    async fn open(&self, asks: &[Ask]) -> Vec<Opened> {
        let ids: Vec<_> = asks.iter().map(|ask| envelope::key_of(&ask.sealed)).collect();
        let found = self.find(ids.iter().flatten().copied().collect()).await;
        let answer = |(ask, id): (&Ask, &Result<Uuid, envelope::Forged>)| {
            let known = id.ok().and_then(|id| found.get(&id));
            let owner = owner(&ask.whose, ask.place.class);
            let opened = match known {
                // Neither a key nor a tombstone says nothing.
                None => Opened::Unavailable,
                Some(Known::Destroyed(whose)) if *whose == owner => Opened::Erased,
                Some(Known::Here(id, key)) if key.owner == owner => {
                    envelope::open(&key.secret, *id, &ask.whose, ask.place, &ask.sealed)
                        .map_or(Opened::Denied, Opened::Plain)
                }
                Some(_) => Opened::Denied,
            };
            if opened == Opened::Denied {
                let Ask { whose, place, .. } = ask;
                tracing::error!(workspace.id = %whose.workspace, subject.id = %whose.subject, place.events, place.field, "what stands here was sealed for elsewhere, or altered");
            }
            opened
        };
        asks.iter().zip(&ids).map(answer).collect()
    }

    async fn lookup(&self, workspace: WorkspaceId, index: &str, text: &str) -> Result<Lookup, VaultError> {
        match self.key_for((workspace.uuid(), String::new(), INDEX.to_owned())).await? {
            Known::Destroyed(_) => Err(VaultError::Erased),
            Known::Here(_, key) => {
                let hash = hex::encode(envelope::hash(&key.secret, index, text));
                hash.parse().map_err(|_| VaultError::Unavailable("a hash has another form".to_owned()))
            }
        }
    }

    async fn destroy(&self, whose: &Whose, classes: &BTreeSet<Class>) -> Result<(), VaultError> {
        let names: Vec<String> = classes.iter().map(|class| class.as_ref().to_owned()).collect();
        failpoint::failpoint!("vault.before_destroy");
        // A person without a key of a class gets a tombstone all the same: none is made afterwards.
        sqlx::query!(
            "insert into vault.keys as k (workspace_id, subject, class, key_id, destroyed_at)
             select $1, $2, class, gen_random_uuid(), clock_timestamp() from unnest($3::text[]) as class order by class
             on conflict (workspace_id, subject, class) do update
             set epoch = null, wrapped = null, destroyed_at = clock_timestamp() where k.destroyed_at is null",
            whose.workspace.uuid(),
            whose.subject.as_str(),
            &names[..]
        )
        .execute(&self.pool)
        .await
        .map_err(NoKey::from)?;
        failpoint::failpoint!("vault.after_destroy");
        for &class in classes {
            if let Some(id) = self.ids.remove(&owner(whose, class)) {
                self.keys.invalidate(&id);
            }
        }
        Ok(())
    }
}

/// Asks what was destroyed, as long as anybody holds the vault.
async fn listen(vault: Weak<PgVault>) {
    let mut tick = tokio::time::interval(ASK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tick.tick().await;
        let Some(vault) = vault.upgrade() else { return };
        let heard = tokio::time::timeout(HOLDS, vault.hear()).await;
        let error = match heard {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(VaultError::from(error).to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        match &error {
            Some(error) if !away => {
                tracing::warn!(error, "personal data cannot be read until the vault answers")
            }
            None if away => tracing::info!("the vault answers again"),
            _ => {}
        }
        away = error.is_some();
    }
}
