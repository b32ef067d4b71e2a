//! P4, P5: the log has one order, without gaps, in which everybody sees it; nobody who is stuck holds it up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use commands::Position;
use futures::future::join_all;
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tests::answer::Answer;
use tests::chaos::long;
use tests::database::administrator;
use tests::process::{Premises, Process, free_address, until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::relay::stage::Stage;

const CARTS: &str = "/api/ecommerce/carts";
const WRITERS: usize = 32;
/// Between two looks of a reader that found nothing.
const PAUSE: Duration = Duration::from_millis(2);

/// Makes the commit of some appends linger, so that others overtake it if anything lets them.
const COMMITS_LINGER: &str = "
    create function linger() returns trigger language plpgsql as $$
    begin perform pg_sleep(random() * 0.5); return null; end $$;
    create constraint trigger linger after insert on events deferrable initially deferred
        for each row when (new.position % 20 = 0) execute function linger();";
/// Makes appends of a cart in EUR linger before they are done.
const EUROS_LINGER: &str = "
    create function linger() returns trigger language plpgsql as $$
    begin perform pg_sleep(0.5); return null; end $$;
    create trigger linger after insert on events
        for each row when (new.payload::text like '%EUR%') execute function linger();";

/// The platform's API in two processes.
struct Two {
    addresses: [SocketAddr; 2],
    processes: [Process; 2],
}

impl Two {
    async fn start(at: &Premises) -> Self {
        let addresses = [at.address, free_address()];
        let processes = addresses
            .map(|address| Process::start(at.command(&["api"]).env("MEWAYZ_LISTEN", address.to_string())));
        for address in addresses {
            at.listens(address).await;
        }
        Self { addresses, processes }
    }
}

/// A command as its client saw it.
struct Acknowledged {
    sent: Instant,
    answered: Instant,
    position: i64,
}

/// Opens a cart, and waits for the answer.
async fn open_cart(at: &Premises, address: SocketAddr, currency: &str) -> Acknowledged {
    let sent = Instant::now();
    let key = Uuid::new_v4().to_string();
    let opened = at.command_until_answered(address, CARTS, &key, &json!({"currency": currency})).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    Acknowledged { sent, answered: Instant::now(), position: position_of(&opened) }
}

fn position_of(answer: &Answer) -> i64 {
    answer.header("position").parse::<Position>().unwrap().0
}

/// Opens carts at both processes, each writer one after the other.
async fn write(at: &Premises, addresses: [SocketAddr; 2], each: usize) -> Vec<Acknowledged> {
    let writers = (0..WRITERS).map(async |writer| {
        let mut acknowledged = Vec::new();
        for _ in 0..each {
            acknowledged.push(open_cart(at, addresses[writer % 2], "USD").await);
        }
        acknowledged
    });
    join_all(writers).await.into_iter().flatten().collect()
}

/// What was acknowledged before another was sent comes before it in the log.
fn must_be_in_order(mut acknowledged: Vec<Acknowledged>) {
    acknowledged.sort_by_key(|command| command.position);
    let later = acknowledged.iter().skip(1).zip(&acknowledged).find(|(b, a)| b.position == a.position);
    assert!(later.is_none(), "one position for two commands");
    // From the end: the earliest answer among all that come later in the log.
    let mut earliest: Option<&Acknowledged> = None;
    for command in acknowledged.iter().rev() {
        if let Some(later) = earliest {
            assert!(
                later.answered >= command.sent,
                "{} was answered before {} was sent",
                later.position,
                command.position
            );
        }
        earliest = earliest.filter(|e| e.answered <= command.answered).or(Some(command));
    }
}

/// Reads the log until told to stop and from then on to its end: each position is the one before plus one.
async fn poll(pool: PgPool, stop: CancellationToken) -> (i64, usize) {
    let (mut last, mut reads) = (0, 0);
    loop {
        let stopping = stop.is_cancelled();
        let seen: Vec<i64> =
            sqlx::query_scalar("select position from events where position > $1 order by position limit 100")
                .bind(last)
                .fetch_all(&pool)
                .await
                .unwrap();
        if seen.is_empty() && stopping {
            return (last, reads);
        }
        if seen.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        reads += usize::from(!seen.is_empty());
        for position in seen {
            assert_eq!(position, last + 1, "a hole was seen");
            last = position;
        }
    }
}

/// Four readers of the log beside some work; how far they came and how often they saw something new.
async fn while_polled<T>(at: &Premises, work: impl Future<Output = T>) -> (T, Vec<(i64, usize)>) {
    let stop = CancellationToken::new();
    let pollers: Vec<_> =
        (0..4).map(|_| tokio::spawn(poll(at.database.pool.clone(), stop.clone()))).collect();
    let done = work.await;
    stop.cancel();
    (done, join_all(pollers).await.into_iter().map(Result::unwrap).collect())
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_sees_one_order_without_gaps_however_long_commits_take() {
    let at = Premises::open().await;
    execute(&mut at.database.owner.connect().await.unwrap(), COMMITS_LINGER).await;
    let stage = Stage::over(at.store.clone(), at.database.run_url());
    let _relay = stage.relay(&[], "");
    let two = Two::start(&at).await;

    let each = if long() { 300 } else { 20 };
    let before = at.store.head().await.unwrap();
    let (acknowledged, polled) = while_polled(&at, write(&at, two.addresses, each)).await;
    let head = at.store.head().await.unwrap();
    assert_eq!(head, before + acknowledged.len() as i64);
    for (seen, reads) in polled {
        assert_eq!(seen, head);
        assert!(reads > 10, "they read while it was written: {reads}");
    }
    must_be_in_order(acknowledged);
    stage.caught_up().await;
    stage.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_stopped_in_the_middle_of_an_append_holds_up_nobody() {
    let at = Premises::open().await;
    execute(&mut at.database.owner.connect().await.unwrap(), EUROS_LINGER).await;
    let two = Two::start(&at).await;
    let [stuck, other] = two.addresses;
    for _ in 0..if long() { 20 } else { 3 } {
        let before = at.store.head().await.unwrap();
        let stop_and_go = async {
            let lingering = "select count(*) from pg_stat_activity
                             where datname = current_database() and wait_event = 'PgSleep'";
            until("it appends", || async { at.count(lingering).await == 1 }).await;
            two.processes[0].signal(Signal::SIGSTOP);
            let begun = Instant::now();
            let others = write(&at, [other, other], 5).await;
            let took = begun.elapsed();
            let head = at.store.head().await.unwrap();
            assert_eq!(head, before + 1 + others.len() as i64, "its append is done as well");
            two.processes[0].signal(Signal::SIGCONT);
            (others, took)
        };
        let work = async { tokio::join!(open_cart(&at, stuck, "EUR"), stop_and_go) };
        let ((held, (mut others, took)), polled) = while_polled(&at, work).await;
        println!("{} commands of others took {took:?} while one process was stopped", others.len());
        let last = others.iter().map(|command| command.answered).max().unwrap();
        assert!(held.answered > last, "it was stopped until the others were done");
        others.push(held);
        let head = before + others.len() as i64;
        assert_eq!(at.store.head().await.unwrap(), head);
        assert!(polled.iter().all(|(seen, _)| *seen == head), "{polled:?}");
        must_be_in_order(others);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_transaction_held_open_anywhere_in_the_cluster_holds_up_nobody() {
    let at = Premises::open().await;
    let two = Two::start(&at).await;
    let _projector = at.start("project", "");
    let mut here = at.database.owner.connect().await.unwrap();
    let mut elsewhere = administrator().connect().await.unwrap();
    execute(&mut here, "begin; insert into subscriptions (name) values ('never committed')").await;
    let table = format!("never_committed_{}", Uuid::new_v4().simple());
    execute(&mut elsewhere, &format!("begin; create table {table} (n int)")).await;

    let time = Duration::from_secs(if long() { 60 } else { 3 });
    let work = async {
        let (begun, mut all) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            all.extend(write(&at, two.addresses, 2).await);
            // The platform's own readers too, and not only these.
            at.projected().await;
            let newest = all.iter().map(|command| command.position).max().unwrap();
            let read = at.store.read(newest - 1, 1).await.unwrap();
            assert_eq!(read.first().map(|event| event.position), Some(newest));
        }
        all
    };
    let (acknowledged, polled) = while_polled(&at, work).await;
    for open in [&mut here, &mut elsewhere] {
        let mine = sqlx::query_scalar::<_, bool>("select pg_current_xact_id_if_assigned() is not null");
        assert!(mine.fetch_one(open).await.unwrap(), "it was open all the time");
    }
    let head = at.store.head().await.unwrap();
    assert!(polled.iter().all(|(seen, _)| *seen == head), "{polled:?}");
    println!("{} commands beside two open transactions in {:?}", acknowledged.len(), time);
    must_be_in_order(acknowledged);
    here.close().await.unwrap();
    elsewhere.close().await.unwrap();
}
