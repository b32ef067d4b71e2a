//! Partitions: how far each of a view's partitions is, and who may move it.
//!
//! Whatever changes these rows locks the view's subscription first. So no two wait for each other, and the least of
//! the partitions' positions, which is the one that is shown, is told exactly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::feed;
use crate::relay::progress::Progress;
use crate::subscription::checkpoint::{Checkpoint, Moved};
use crate::subscription::{Host, Stopped};

/// A context, whose topic it is, and a partition.
pub(super) type Place = (String, i32);

/// A partition that was claimed, and what was read of it since.
#[derive(Debug, Default)]
pub(super) struct Part {
    epoch: i64,
    /// Every event up to here is applied.
    pub position: i64,
    pub next_offset: i64,
    /// The epoch of the topics for which the offset holds.
    pub topic_epoch: Option<Uuid>,
    /// Positions and offsets of records that were read, in their order.
    pub read: Vec<(i64, i64)>,
}

impl Part {
    /// Its position and offset once all that was read up to a position is applied.
    fn at(&self, upto: i64, end: i64, progress: i64) -> (i64, i64) {
        let applied = self.read.partition_point(|(position, _)| *position <= upto);
        let (mut position, mut next_offset) = (self.position, self.next_offset);
        if let Some((last, offset)) = applied.checked_sub(1).and_then(|n| self.read.get(n)) {
            (position, next_offset) = (position.max(*last), offset + 1);
        }
        // Nothing between its last event and the progress is in this partition.
        if applied == self.read.len() && position >= end {
            position = position.max(progress.min(upto));
        }
        (position, next_offset)
    }
}

/// What a member has read, to be moved past in the transaction that applies it.
pub(super) struct Reading<'a> {
    pub view: &'static str,
    pub member: Uuid,
    pub progress: &'a Progress,
    pub parts: &'a BTreeMap<Place, Part>,
    /// How often the member has written since it has claimed them: all of them each time.
    pub revision: &'a AtomicI64,
}

impl Reading<'_> {
    /// The positions and offsets of all parts, once everything up to a position is applied.
    pub fn moves(&self, upto: i64) -> impl Iterator<Item = (i64, i64)> {
        self.parts
            .iter()
            .map(move |(place, part)| part.at(upto, end(self.progress, place), self.progress.position))
    }
}

/// The position of the last event of a partition.
pub(super) fn end(progress: &Progress, (context, partition): &Place) -> i64 {
    progress.end(context, *partition)
}

#[async_trait]
impl Checkpoint for Reading<'_> {
    async fn advance(&self, transaction: &mut PgConnection, upto: i64) -> Result<Moved, sqlx::Error> {
        if !lock(transaction, self.view).await? {
            return Ok(Moved::Void);
        }
        let (contexts, partitions): (Vec<String>, Vec<i32>) = self.parts.keys().cloned().unzip();
        let epochs: Vec<i64> = self.parts.values().map(|part| part.epoch).collect();
        let (positions, offsets): (Vec<i64>, Vec<i64>) = self.moves(upto).unzip();
        let moved = sqlx::query!(
            "update view_partitions v
             set position = n.position, next_offset = n.next_offset, topic_epoch = $8, revision = v.revision + 1
             from unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[])
                  as n (context, partition, epoch, position, next_offset)
             where v.subscription = $1 and v.owner = $2 and v.context = n.context and v.partition = n.partition
               and v.epoch = n.epoch and v.revision = $9",
            self.view,
            self.member,
            &contexts,
            &partitions,
            &epochs,
            &positions,
            &offsets,
            self.progress.topic_epoch,
            self.revision.load(Ordering::Relaxed),
        )
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() != self.parts.len() as u64 {
            return Ok(Moved::Void);
        }
        let shown = sqlx::query_scalar!(
            "update subscriptions set position = greatest(position, (select min(position) from view_partitions
                                                                     where subscription = $1))
             where name = $1 returning position",
            self.view
        )
        .fetch_one(transaction)
        .await?;
        metrics::gauge!("mewayz_subscription_position", "subscription" => self.view).set(shown as f64);
        Ok(Moved::Yes)
    }

    fn committed(&self) {
        self.revision.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether partitions are still the member's, and stand where it has written them last.
pub(super) async fn stand(
    pool: &PgPool,
    view: &str,
    member: Uuid,
    parts: &BTreeMap<Place, Part>,
    revision: i64,
) -> Result<Moved, sqlx::Error> {
    let (contexts, partitions): (Vec<String>, Vec<i32>) = parts.keys().cloned().unzip();
    let epochs: Vec<i64> = parts.values().map(|part| part.epoch).collect();
    let standing = sqlx::query_scalar!(
        r#"select count(*) as "count!" from view_partitions v
           join unnest($3::text[], $4::int[], $5::bigint[]) as mine (context, partition, epoch)
                using (context, partition, epoch)
           where v.subscription = $1 and v.owner = $2 and v.revision = $6"#,
        view,
        member,
        &contexts,
        &partitions,
        &epochs,
        revision,
    )
    .fetch_one(pool)
    .await?;
    Ok(Moved::only_if(usize::try_from(standing) == Ok(parts.len())))
}

/// Waits until no instance owns the view as a reader of the store, and takes it for the group; its partitions are
/// known then. `false` if told to stop meanwhile.
pub(super) async fn take(host: &Host, view: &'static str, places: &[Place]) -> Result<bool, Stopped> {
    loop {
        match try_take(host, view, places).await {
            Ok(Some(Ok(()))) => return Ok(true),
            Ok(Some(Err(Repartitioned))) => {
                let what = format!(
                    "its topics had other partitions when it was last read from them, and it is ahead in some: run \
                     `mewayz rebuild {view}` first"
                );
                return Err(Stopped::Failed(view.to_owned(), anyhow::anyhow!(what)));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(subscription = view, error = %error, "no claim yet; trying again"),
        }
        tokio::select! {
            () = host.stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(host.lease / 8) => {}
        }
    }
}

/// The partitions that were read before are not those of now, and have gone unequally far.
struct Repartitioned;

async fn try_take(
    host: &Host,
    view: &str,
    places: &[Place],
) -> Result<Option<Result<(), Repartitioned>>, sqlx::Error> {
    let pool = host.log.store().pool();
    sqlx::query!("insert into subscriptions (name) values ($1) on conflict do nothing", view)
        .execute(pool)
        .await?;
    let mut transaction = pool.begin().await?;
    let taken = sqlx::query_scalar!(
        "update subscriptions
         set epoch = epoch + case when owner is distinct from $2 then 1 else 0 end,
             owner = $2, lease_until = clock_timestamp() + make_interval(secs => $3)
         where name = $1 and (owner is null or owner = $2 or lease_until < clock_timestamp())
         returning position",
        view,
        feed(view),
        host.lease.as_secs_f64(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(position) = taken else { return Ok(None) };
    let known = sqlx::query!(
        "select context, partition, position from view_partitions where subscription = $1",
        view
    )
    .fetch_all(&mut *transaction)
    .await?;
    let is_known =
        |place: &Place| known.iter().any(|row| (&row.context, row.partition) == (&place.0, place.1));
    if known.len() != places.len() || !places.iter().all(is_known) {
        if known.iter().any(|row| row.position > position) {
            return Ok(Some(Err(Repartitioned)));
        }
        let (contexts, partitions): (Vec<String>, Vec<i32>) = places.iter().cloned().unzip();
        sqlx::query!("delete from view_partitions where subscription = $1", view)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "insert into view_partitions (subscription, context, partition, position)
             select $1, context, partition, $4 from unnest($2::text[], $3::int[]) as p (context, partition)",
            view,
            &contexts,
            &partitions,
            position
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(Some(Ok(())))
}

/// Claims partitions: whoever had them writes nothing more, though the database should crash. `None` if they are not
/// there, or not the group's.
pub(super) async fn claim(
    pool: &PgPool,
    view: &str,
    member: Uuid,
    places: &[Place],
) -> Result<Option<BTreeMap<Place, Part>>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    if !lock(&mut transaction, view).await? {
        return Ok(None);
    }
    let (contexts, partitions): (Vec<String>, Vec<i32>) = places.iter().cloned().unzip();
    let claimed = sqlx::query!(
        "update view_partitions v set owner = $2, epoch = epoch + 1, revision = 0
         from unnest($3::text[], $4::int[]) as mine (context, partition)
         where v.subscription = $1 and v.context = mine.context and v.partition = mine.partition
         returning v.context, v.partition, v.epoch, v.position, v.next_offset, v.topic_epoch",
        view,
        member,
        &contexts,
        &partitions,
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let parts: BTreeMap<Place, Part> = claimed
        .into_iter()
        .map(|row| {
            let part = Part {
                epoch: row.epoch,
                position: row.position,
                next_offset: row.next_offset,
                topic_epoch: row.topic_epoch,
                read: Vec::new(),
            };
            ((row.context, row.partition), part)
        })
        .collect();
    Ok((parts.len() == places.len()).then_some(parts))
}

/// Makes all who change the view's partitions take turns; whether they are the group's to change.
async fn lock(transaction: &mut PgConnection, view: &str) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query_scalar!(
        "select position from subscriptions where name = $1 and owner = $2 for update",
        view,
        feed(view)
    )
    .fetch_optional(transaction)
    .await?;
    Ok(locked.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part { position: 10, next_offset: 4, read: vec![(8, 4), (12, 6), (17, 9)], ..Part::default() }
    }

    #[test]
    fn goes_up_to_what_is_applied() {
        assert_eq!(part().at(12, 17, 20), (12, 7));
        assert_eq!(part().at(16, 17, 20), (12, 7));
        assert_eq!(part().at(9, 17, 20), (10, 5), "what was applied before is passed over");
        assert_eq!(part().at(0, 17, 20), (10, 4));
    }

    #[test]
    fn goes_up_to_the_progress_once_its_last_event_is_applied() {
        assert_eq!(part().at(20, 17, 20), (20, 10));
        assert_eq!(part().at(18, 17, 20), (18, 10));
        assert_eq!(part().at(20, 19, 20), (17, 10), "19 has yet to come");
        assert_eq!(Part { position: 10, ..Part::default() }.at(30, 0, 30), (30, 0));
        assert_eq!(Part { position: 10, ..Part::default() }.at(30, 0, 5), (10, 0), "of topics made anew");
    }
}
