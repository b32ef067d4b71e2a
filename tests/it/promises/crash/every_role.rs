//! Every role at work while PostgreSQL is killed and stopped, at random and between a commit and its way to the disk.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use commands::Instruction;
use nix::sys::signal::Signal;
use rand::RngExt;
use rand::rngs::StdRng;
use tests::chaos::{long, lots};
use tests::process::{Process, until};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::House;

/// Longer than anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const BUYERS: usize = 4;
const EFFECTS: usize = 3;
/// Answers get lost, and no notice tells what became of a payment: only asking again does.
const SILENCE: [&str; 2] = ["--faults", "lose_reply=20,never=100"];

/// How the database ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    PostmasterKilled,
    OneProcessKilled,
    StoppedAtOnce,
    Stopped,
}

const ENDS: [End; 5] =
    [End::Killed, End::PostmasterKilled, End::OneProcessKilled, End::StoppedAtOnce, End::Stopped];

/// Orders that come on and on, unless they are held up.
#[derive(Default)]
struct Trade {
    held_up: RwLock<()>,
    over: CancellationToken,
    placed: Mutex<Vec<String>>,
}

impl Trade {
    /// Places orders until it is over.
    async fn buy(&self, house: &House) {
        while !self.over.is_cancelled() {
            let _goes_on = self.held_up.read().await;
            self.order(house).await;
        }
    }

    async fn order(&self, house: &House) {
        let id = house.at.order("TEE").await;
        self.placed.lock().unwrap().push(id);
    }
}

/// A deadline: process, key, and when it is due.
type Deadline = (String, String, DateTime<Utc>);

impl House {
    /// Waits until nothing follows any more from what has happened, as long as something moves.
    async fn quiet(&self) {
        let least = projections::all().len()
            + commands::process::all().len()
            + commands::process::followers().len()
            + EFFECTS;
        let open = format!(
            "select count(*) filter (where position < (select position from head))
                    + greatest({least} - count(*), 0) + (select count(*) from deadlines where due_at <= now())
             from subscriptions"
        );
        let moves = "select sum(position + revision)::bigint from subscriptions";
        let (mut moved, mut last) = (0, Instant::now());
        while self.at.count(&open).await != 0 {
            let now = self.at.count(moves).await;
            if now != moved {
                (moved, last) = (now, Instant::now());
            }
            if last.elapsed() > PATIENCE {
                panic!("nothing moves, and it is not quiet: {:?}", self.what_is_open().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // until it is asked again
        }
    }

    /// What is not at the head of the log, and what is due and does not come.
    async fn what_is_open(&self) -> Vec<(String, String)> {
        let sql =
            "select name, row_to_json(s)::text from subscriptions s, head where s.position < head.position
                   union all select 'head', position::text from head
                   union all select process, row_to_json(d)::text from deadlines d where due_at <= now()";
        sqlx::query_as(sql).fetch_all(&self.at.database.pool).await.unwrap()
    }

    async fn end(&self, end: End) {
        match end {
            End::Killed => self.server.kill(),
            End::PostmasterKilled => self.server.kill_postmaster(),
            End::StoppedAtOnce => self.server.stop_at_once(),
            End::Stopped => self.server.stop(),
            End::OneProcessKilled => return self.server.kill_one_process().await,
        }
        self.server.start_again().await;
    }

    /// Lets trade go on, then ends the database.
    async fn round(&self, trade: &Trade, end: End, lots: &mut StdRng) {
        let head = self.at.store.head().await.unwrap();
        until("trade goes on", || async { self.at.store.head().await.unwrap() > head + 100 }).await;
        tokio::time::sleep(Duration::from_millis(lots.random_range(0..300))).await; // The end falls at any moment of work.
        if lots.random_bool(0.5) {
            return self.end(end).await;
        }
        // The last of everything is committed, and not on disk.
        let _held_up = trade.held_up.write().await;
        self.quiet().await;
        self.server.hold_back_writes().await;
        trade.order(self).await;
        self.quiet().await;
        self.end(if matches!(end, End::Stopped) { End::Killed } else { end }).await;
    }

    async fn deadlines(&self) -> Vec<Deadline> {
        let sql = "select process, key, due_at from deadlines order by process, key";
        sqlx::query_as(sql).fetch_all(&self.at.database.pool).await.unwrap()
    }

    /// The deadlines that follow from the log, of processes.
    async fn deadlines_of_processes(&self) -> Vec<Deadline> {
        let mut all = BTreeMap::new();
        let now = Utc::now();
        for event in self.at.store.read(0, i64::MAX).await.unwrap() {
            for process in commands::process::all() {
                if !process.listens_to().contains(&event.aggregate_type.as_str()) {
                    continue;
                }
                for instruction in process.react(&event).unwrap() {
                    match instruction {
                        Instruction::Remind { key, after } => {
                            all.insert((process.name().to_owned(), key), event.recorded_at + after);
                        }
                        Instruction::Forget { key } => _ = all.remove(&(process.name().to_owned(), key)),
                        Instruction::Act { .. } | Instruction::Errand(_) => {}
                    }
                }
            }
        }
        all.into_iter()
            .filter(|(_, due_at)| *due_at > now)
            .map(|((process, key), due_at)| (process, key, due_at))
            .collect()
    }

    /// Waits until the gateway has said of every payment what became of it. What is to be asked later is asked now:
    /// its time is moved while nobody keeps it.
    async fn settle(&self) {
        let later = "select count(*) from deadlines where process like 'ask_gateway_%'";
        let owned =
            "select count(*) from subscriptions where name = 'do_what_checkout_asks' and owner is not null";
        for _ in 0..40 {
            let mut react = self.start("react");
            // Before that it has not begun, and may not hear yet that it is to end.
            until("it reacts", || async { self.at.count(owned).await == 1 }).await;
            self.quiet().await;
            react.signal(Signal::SIGTERM);
            assert_eq!(react.ended().await.code(), Some(0));
            if self.at.count(later).await == 0 {
                return;
            }
            let ask = "update deadlines set due_at = least(due_at, now()) where process like 'ask_gateway_%'";
            sqlx::query(ask).execute(&self.at.database.pool).await.unwrap();
        }
        panic!("the gateway was asked forty times, and still does not say what became of something");
    }

    /// Answers the whole log anew, as if nothing had ever been answered: nothing must follow that is not there.
    async fn react_anew(&self) {
        let (head, deadlines) = (self.at.store.head().await.unwrap(), self.deadlines().await);
        let views: Vec<String> = projections::all().iter().map(|view| view.name().to_owned()).collect();
        let mut transaction = self.at.database.pool.begin().await.unwrap();
        sqlx::query("delete from deadlines").execute(&mut *transaction).await.unwrap();
        sqlx::query("update subscriptions set position = 0 where name <> all ($1)")
            .bind(views)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        self.settle().await;
        assert_eq!(self.at.store.head().await.unwrap(), head, "something had not been answered");
        assert_eq!(self.deadlines().await, deadlines);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_what_the_log_says_however_often_the_database_is_killed() {
    let mut house = House::open("order,product").await;
    house.at.gateway_arguments = SILENCE.map(str::to_owned).into();
    let (house, at) = (&house, &house.at);
    let mut gateway = house.start("gateway");
    at.listens(at.gateway).await;
    let mut processes = house.start_all(&["api", "project", "relay"]).await;
    let mut react = house.start("react");
    at.sell("TEE", 1_000_000).await;

    let (trade, mut lots) = (Trade::default(), lots());
    let ending = async {
        for n in 0..if long() { 50 } else { ENDS.len() } {
            let end = ENDS[n % ENDS.len()];
            println!("round {n}: {end:?}");
            house.round(&trade, end, &mut lots).await;
        }
        trade.over.cancel();
    };
    let buyers = futures::future::join_all((0..BUYERS).map(|_| trade.buy(house)));
    tokio::join!(buyers, ending);

    // What is open follows from the log, and what is due later waits for its time.
    house.quiet().await;
    react.signal(Signal::SIGTERM);
    assert_eq!(react.ended().await.code(), Some(0));
    let of_processes =
        house.deadlines().await.into_iter().filter(|(process, ..)| !process.starts_with("ask_"));
    assert_eq!(of_processes.collect::<Vec<_>>(), house.deadlines_of_processes().await);
    house.settle().await;

    at.projected().await;
    assert!(gateway.is_running() && processes.iter_mut().all(Process::is_running), "nobody ends for it");
    at.must_equal_a_rebuild().await;
    let orders: Vec<(String, String)> = sqlx::query_as(r#"select id, status from read."order" order by id"#)
        .fetch_all(&at.database.pool)
        .await
        .unwrap();
    let placed = trade.placed.into_inner().unwrap().into_iter();
    let mut expected: Vec<_> = placed.map(|id| (id, "confirmed".to_owned())).collect();
    expected.sort();
    assert_eq!(orders, expected, "what was answered is there, once, and paid for");
    assert_eq!(at.count("select count(*) from parked").await, 0);
    house.react_anew().await;
    println!("{} orders, {} events", orders.len(), at.store.head().await.unwrap());
}
