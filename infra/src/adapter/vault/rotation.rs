//! Rotation: a new epoch key, all live keys wrapped by it, and the end of all epoch keys but it and the one before.
//!
//! It may be killed anywhere and done again. The one before stays, since others may have wrapped a key with it just now;
//! what is older is retired first, so that nobody can, and is removed from the file once nothing needs it.

use std::path::Path;

use anyhow::{Context as _, bail};
use sqlx::{Connection, PgConnection, PgPool};

use super::envelope::{Epoch, KeyName, secret};
use super::key_file::KeyFile;

/// Keys that are wrapped anew in one transaction.
const BATCH: i64 = 1_000;
/// The lock of whoever rotates.
const LOCK: i64 = 0x0076_6175_6c74;

/// What a rotation has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    pub epoch: i64,
    /// How many keys were wrapped anew.
    pub keys: u64,
    /// Epochs whose keys the file has no longer: whatever only they could open is closed for ever.
    pub forgotten: Vec<i64>,
}

/// Rotates the epoch keys of a vault.
///
/// # Errors
/// If the database or the file cannot be used, or another rotation runs. Nothing is lost; rotate again.
pub async fn rotate(pool: &PgPool, key_file: &Path) -> anyhow::Result<Rotated> {
    // A connection of its own: its lock ends with it, at the latest.
    let mut connection = pool.acquire().await?.detach();
    let alone = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "alone!""#, LOCK)
        .fetch_one(&mut connection)
        .await?;
    if !alone {
        bail!("another rotation runs; wait for that to end");
    }
    let rotated = rotate_alone(&mut connection, key_file).await;
    // Given back here: the server learns only later that the connection is closed, and the next rotation may be first.
    sqlx::query!("select pg_advisory_unlock($1)", LOCK).fetch_one(&mut connection).await?;
    connection.close().await?;
    rotated
}

async fn rotate_alone(connection: &mut PgConnection, key_file: &Path) -> anyhow::Result<Rotated> {
    let known = sqlx::query_scalar!(r#"select coalesce(max(epoch), 0) as "max!" from vault.epochs"#)
        .fetch_one(&mut *connection)
        .await?;
    let mut file = match KeyFile::read(key_file)? {
        Some(file) => file,
        None if known == 0 => bail!("the vault has no keys yet: there is nothing to rotate"),
        None => bail!("the key file {} is missing; bring it back", key_file.display()),
    };
    let before = file.newest().context("the key file is empty")?.number;
    let new = Epoch { number: known.max(before) + 1, secret: secret() };
    sqlx::query!("insert into vault.epochs (epoch, proof) values ($1, $2)", new.number, new.proof())
        .execute(&mut *connection)
        .await?;
    failpoint::failpoint!("vault.epoch_noted");
    let with_new: Vec<Epoch> = file.all().cloned().chain([new.clone()]).collect();
    file.replace(with_new)?;
    failpoint::failpoint!("vault.epoch_written");

    let mut keys = wrap_anew(connection, &file, &new, new.number).await?;
    sqlx::query!(
        "update vault.epochs set retired_at = clock_timestamp() where epoch < $1 and retired_at is null",
        before
    )
    .execute(&mut *connection)
    .await?;
    // From here on nothing is wrapped with what is retired; what was, meanwhile, is found now.
    keys += wrap_anew(connection, &file, &new, before).await?;
    failpoint::failpoint!("vault.before_forgetting");
    let (kept, forgotten): (Vec<Epoch>, Vec<Epoch>) =
        file.all().cloned().partition(|epoch| epoch.number >= before);
    if !forgotten.is_empty() {
        file.replace(kept)?;
    }
    let forgotten = forgotten.iter().map(|epoch| epoch.number).collect();
    Ok(Rotated { epoch: new.number, keys, forgotten })
}

/// Wraps all keys of epochs before `until` with the new one's key.
async fn wrap_anew(
    connection: &mut PgConnection,
    file: &KeyFile,
    new: &Epoch,
    until: i64,
) -> anyhow::Result<u64> {
    let mut done = 0;
    loop {
        let mut transaction = connection.begin().await?;
        let rows = sqlx::query!(
            r#"select key_id, workspace_id, subject, class, epoch as "epoch!", wrapped as "wrapped!" from vault.keys
               where epoch < $1 order by epoch limit $2 for update"#,
            until,
            BATCH
        )
        .fetch_all(&mut *transaction)
        .await?;
        if rows.is_empty() {
            return Ok(done);
        }
        let (mut ids, mut wrapped) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in &rows {
            let name = KeyName {
                workspace: row.workspace_id,
                subject: &row.subject,
                class: &row.class,
                key: row.key_id,
            };
            let epoch = file.get(row.epoch);
            let epoch = epoch.with_context(|| {
                format!("{} lacks the key of epoch {}; bring it back", file.path().display(), row.epoch)
            })?;
            let secret = epoch.unwrap(name, &row.wrapped);
            let secret = secret.ok().with_context(|| format!("the key {} does not unwrap", row.key_id))?;
            ids.push(row.key_id);
            wrapped.push(new.wrap(name, &secret));
        }
        sqlx::query!(
            "update vault.keys k set epoch = $3, wrapped = n.wrapped
             from unnest($1::uuid[], $2::bytea[]) as n (id, wrapped) where k.key_id = n.id",
            &ids[..],
            &wrapped[..],
            new.number
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        failpoint::failpoint!("vault.wrapped");
        done += rows.len() as u64;
    }
}
