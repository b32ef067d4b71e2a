//! The import: each row of a file is one order, whatever becomes of the process that takes it.

mod file;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::clock::SystemClock;
use commands::identity::workspace;
use domain::ids::WorkspaceId;
use domain::money::{Currency, Money};
use infra::log::Log;
use infra::subscription::reactor::Reactor;
use infra::subscription::{Host, checkpoint};
use projections::days::{Grouping, Range, zone};
use projections::finance::invariant::{Invariants, watch};
use projections::finance::ledger_account::LedgerAccounts;
use projections::finance::ledger_entry::{LedgerEntries, TrialBalanceSum, trial_balance};
use projections::finance::ledger_report::profit_and_loss;
use projections::intelligence::dashboard::{Dashboard, DashboardView, figures};
use projections::{Projector, Runtime};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::chaos::long;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::relay::stage::Stage;
use file::{Purchases, Sums};

/// A log and its topics, and imports as processes of their own.
struct Books(Stage);

impl Books {
    async fn open(pool: PgPoolOptions, connect: PgConnectOptions) -> Self {
        Self(Stage::set(pool, connect).await)
    }

    fn start(&self, file: &Purchases) -> Child {
        let program = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("mewayz");
        assert!(program.exists(), "the tests need the binary: cargo build --workspace");
        Command::new(program)
            .args(["import", "purchases"])
            .arg(file.path())
            .args(["--workspace", "history", "--source", "cdnow"])
            .env("DATABASE_URL", &self.0.url)
            .env_remove("KAFKA_BROKERS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Imports to the end.
    async fn import(&self, file: &Purchases) -> Ended {
        let child = self.start(file);
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
        Ended(output)
    }

    /// Imports until so many orders are there, and is killed.
    async fn import_until_killed(&self, file: &Purchases, orders: i64) {
        let mut child = self.start(file);
        let deadline = Instant::now() + Duration::from_secs(600);
        while self.orders().await < orders {
            assert_eq!(child.try_wait().unwrap(), None, "it should be killed before its end");
            assert!(Instant::now() < deadline, "waited too long for {orders} orders");
            tokio::time::sleep(Duration::from_millis(10)).await; // until it is asked again
        }
        child.kill().unwrap();
        let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
        assert_eq!(status.signal(), Some(9), "it was killed in the middle of its work");
    }

    /// Rows that were taken, without any of the code that took them.
    async fn orders(&self) -> i64 {
        let count = "select count(*) from commands where subject like 'ord_%'";
        sqlx::query_scalar(count).fetch_one(self.0.store.pool()).await.unwrap()
    }

    async fn workspace(&self) -> WorkspaceId {
        let known = workspace::all(&self.0.store).await.unwrap();
        assert_eq!(known.len(), 1, "one workspace, however often it was asked for: {known:?}");
        assert_eq!(known[0].name, "history");
        known[0].id
    }

    /// The log holds exactly what the file says, and so does the dashboard.
    async fn must_be(&self, sums: &Sums) {
        let orders =
            "select count(distinct aggregate_id), coalesce(sum((line->>'quantity')::bigint), 0)::bigint,
                             coalesce(sum((line->'total'->>'amount')::bigint), 0)::bigint
                      from events, json_array_elements(payload->'lines') line
                      where aggregate_type = 'commerce.order' and event_type = 'Placed'";
        let placed: (i64, i64, i64) = sqlx::query_as(orders).fetch_one(self.0.store.pool()).await.unwrap();
        assert_eq!(placed, (sums.orders, sums.units, sums.cents), "orders, units and cents in the log");
        let over = "select count(*) from events
                    where aggregate_type = 'commerce.order' and event_type = 'Completed'
                      and effective_at::time = '12:00'";
        let over: i64 = sqlx::query_scalar(over).fetch_one(self.0.store.pool()).await.unwrap();
        assert_eq!(over, sums.orders, "every order is over, at noon of some day");

        let seen = self.dashboard().await;
        assert_eq!(seen.figures.len(), 1, "one currency");
        let all = &seen.figures[0];
        assert_eq!((all.orders, all.units, all.revenue.amount), (sums.orders, sums.units, sums.cents));
        let months: BTreeMap<String, i64> = seen
            .periods
            .iter()
            .map(|period| (period.from.format("%Y-%m").to_string(), period.figures.revenue.amount))
            .collect();
        assert_eq!(months, sums.months, "revenue by month");
        let status = &seen.orders_by_status;
        assert_eq!((status.len(), status[0].status.as_str()), (1, "completed"));
        // The whole history takes some minutes in a build that is not made to be fast.
        if sums.orders < 10_000 || long() {
            self.must_be_in_the_ledger(sums).await;
        }
    }

    /// One transaction for each order that cost something, from where it was paid to what was sold; and they balance.
    async fn must_be_in_the_ledger(&self, sums: &Sums) {
        let posting = |name: &str| name.starts_with("post_");
        let processes =
            commands::process::all().into_iter().filter(|of| posting(of.name())).map(Reactor::Process);
        let reactors = processes.chain(commands::process::followers().into_iter().map(Reactor::Follower));
        self.reacted(reactors.collect()).await;
        let views: Vec<Box<dyn Projector>> = vec![
            Box::new(Runtime::<LedgerAccounts>::default()),
            Box::new(Runtime::<LedgerEntries>::default()),
            Box::new(Runtime::<Invariants>::default()),
        ];
        self.folded(views).await;
        let (pool, workspace) = (self.0.store.pool(), self.workspace().await);
        let last = chrono::NaiveDate::from_ymd_opt(2010, 1, 1).unwrap();
        let trial = trial_balance(pool, workspace, last, (None, 10)).await.unwrap().value;
        let usd = |amount| Money::new(amount, Currency::USD);
        assert_eq!(trial.sums, [TrialBalanceSum { debits: usd(sums.cents), credits: usd(sums.cents) }]);
        let lines: Vec<_> = trial
            .lines
            .iter()
            .map(|line| (line.account_id.path(), line.debits.amount, line.credits.amount))
            .collect();
        assert_eq!(lines, [("bank:main", sums.cents, 0), ("rev:sales", 0, sums.cents)]);
        for (month, &cents) in &sums.months {
            let from: chrono::NaiveDate = format!("{month}-01").parse().unwrap();
            let to = from + chrono::Months::new(1);
            let range = Range { from, to, zone: zone("America/New_York"), group_by: None, top: 0 };
            let profit = profit_and_loss(pool, workspace, range).await.unwrap().value;
            assert_eq!((profit.sums.len(), profit.sums[0].income), (1, usd(cents)), "{month}");
        }
        let posted = "select count(*) from events where aggregate_type = 'finance.ledger_transaction'";
        let free =
            "select count(*) from events where event_type = 'Confirmed' and payload->>'basis' = 'free'";
        let count =
            async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(pool).await.unwrap() };
        assert_eq!(count(posted).await, sums.orders - count(free).await);
        let watched = watch(pool).await.unwrap();
        assert_eq!((watched.broken, watched.unposted), (vec![], 0));
    }

    /// What follows from the log is done.
    async fn reacted(&self, reactors: Vec<Reactor>) {
        let (host, stop) = self.host().await;
        let names: Vec<&str> =
            vec!["post_capture_when_money_is_taken", "post_revenue_when_goods_are_handed_over"];
        let head = self.0.store.head().await.unwrap();
        let host = tokio::spawn(host.run(vec![], reactors));
        for name in names {
            let at =
                checkpoint::reached(self.0.store.pool(), name, head, Duration::from_secs(600)).await.unwrap();
            assert!(at >= head, "{name} stopped at {at} of {head}");
        }
        stop.cancel();
        host.await.unwrap().unwrap();
    }

    /// What the log says is in these read models.
    async fn folded(&self, views: Vec<Box<dyn Projector>>) {
        let (host, stop) = self.host().await;
        let names: Vec<&str> = views.iter().map(|view| view.name()).collect();
        let host = tokio::spawn(host.run(views, vec![]));
        let head = self.0.store.head().await.unwrap();
        for name in names {
            let at =
                checkpoint::reached(self.0.store.pool(), name, head, Duration::from_secs(600)).await.unwrap();
            assert!(at >= head, "{name} stopped at {at} of {head}");
        }
        stop.cancel();
        host.await.unwrap().unwrap();
    }

    async fn host(&self) -> (Host, CancellationToken) {
        let stop = CancellationToken::new();
        let host = Host {
            log: Log::follow(self.0.store.clone(), stop.clone()).await.unwrap(),
            clock: Arc::new(SystemClock),
            instance: Uuid::now_v7(),
            lease: Duration::from_secs(3),
            stop: stop.clone(),
        };
        (host, stop)
    }

    /// As the platform would show it.
    async fn dashboard(&self) -> DashboardView {
        self.folded(vec![Box::new(Runtime::<Dashboard>::default())]).await;
        let pool = self.0.store.pool();
        let day = |year| chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let range = Range {
            from: day(1990),
            to: day(2010),
            zone: zone("UTC"),
            group_by: Some(Grouping::Month),
            top: 5,
        };
        figures(pool, self.workspace().await, range).await.unwrap().value
    }
}

/// How an import ended.
struct Ended(Output);

impl Ended {
    fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// A figure of its summary.
    fn said(&self, name: &str) -> String {
        let said = String::from_utf8_lossy(&self.0.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("it did not say {name}:\n{said}{}", self.errors())).trim().to_owned()
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_killed_import_goes_on_and_takes_no_row_twice(pool: PgPoolOptions, connect: PgConnectOptions) {
    let kills = if long() { 10 } else { 3 };
    let Some(file) = Purchases::real() else { return };
    let (books, sums) = (Books::open(pool, connect).await, file.sums());
    let known = (69_659, 167_881, 250_031_563);
    assert_eq!((sums.orders, sums.units, sums.cents), known, "the file is the one that is known");

    let _relay = books.0.relay(&[], "");
    for kill in 1..=kills {
        books.import_until_killed(&file, sums.orders * kill / (kills + 1)).await;
    }
    let before = books.orders().await;
    let ended = books.import(&file).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.errors());
    assert_eq!(ended.said("rows"), sums.orders.to_string());
    assert_eq!(ended.said("rejected"), "0");
    let (known, taken) = (ended.said("known"), ended.said("taken"));
    // What the killed process had sent may still have been stored after it was counted.
    assert!(known.parse::<i64>().unwrap() >= before, "{known} known of {before}");
    assert_eq!(known.parse::<i64>().unwrap() + taken.parse::<i64>().unwrap(), sums.orders);
    books.must_be(&sums).await;

    books.0.caught_up().await;
    let comparing = Instant::now();
    books.0.must_be_the_log().await;
    let compared = comparing.elapsed();

    let (head, ends) = (books.0.store.head().await.unwrap(), books.0.uncommitted());
    let again = books.import(&file).await;
    assert_eq!((again.code(), again.said("taken"), again.said("events")), (Some(0), "0".into(), "0".into()));
    assert_eq!(again.said("known"), sums.orders.to_string());
    assert_eq!(again.said("units"), sums.units.to_string());
    assert_eq!(books.0.store.head().await.unwrap(), head, "importing again changes nothing");
    assert_eq!(books.0.uncommitted(), ends, "nor in the topics");
    println!("{} rows, ended after {kills} kills: {}", sums.orders, ended.said("time"));
    println!("{head} records are the log, compared in {compared:.1?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_taken_is_told_with_its_line_and_the_rest_goes_on(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let books = Books::open(pool, connect).await;
    let good = Purchases::made_up(600);
    let bad = [
        (2, "00001,1997-01-01,1", "it has 3 fields and not 4"),
        (3, "00001,1997-01-01,1,12.345", "`12.345` is not an amount"),
        (17, "00001,1997-01-01,1,-11.77", "`-11.77` is not an amount"),
        (18, "00001,1997-01-01,1,1e3", "`1e3` is not an amount"),
        (100, "00001,1997-01-01,0,11.77", "`0` is not a quantity"),
        (101, "00001,1997-13-01,1,11.77", "`1997-13-01` is not a date"),
        (601, "00001,1997-01-01,1,11.77,and more", "it has 5 fields and not 4"),
    ];
    let spoiled = bad.iter().fold(good.clone(), |file, (line, text, _)| file.with_line(*line, text));
    let ended = books.import(&spoiled).await;
    assert_eq!(ended.code(), Some(4), "{}", ended.errors());
    for (line, _, reason) in bad {
        let told = format!("line {line}: {reason}");
        assert!(ended.errors().contains(&told), "{told} is missing in:\n{}", ended.errors());
    }
    assert_eq!((ended.said("taken"), ended.said("rejected")), ("593".into(), "7".into()));
    let rest = bad.iter().fold(good.clone(), |file, (line, ..)| file.with_line(*line, ""));
    books.must_be(&rest.sums()).await;

    // Mended, they are taken, and nothing else.
    let mended = books.import(&good).await;
    assert_eq!(
        (mended.code(), mended.said("taken"), mended.said("known")),
        (Some(0), "7".into(), "593".into())
    );
    books.must_be(&good.sums()).await;

    // A line that is known with other content is told, and left as it was taken.
    let head = books.0.store.head().await.unwrap();
    let changed = good.with_line(50, "00001,1997-01-01,1,99.99").with_line(51, "nothing");
    let ended = books.import(&changed).await;
    assert_eq!(
        (ended.code(), ended.said("taken"), ended.said("rejected")),
        (Some(4), "0".into(), "2".into())
    );
    for line in [50, 51] {
        let told = format!("line {line}: this line was taken with other content");
        assert!(ended.errors().contains(&told), "{told} is missing in:\n{}", ended.errors());
    }
    assert_eq!(books.0.store.head().await.unwrap(), head);
    books.must_be(&good.sums()).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn behind_a_row_that_was_put_in_nothing_is_taken_again(pool: PgPoolOptions, connect: PgConnectOptions) {
    let books = Books::open(pool, connect).await;
    let good = Purchases::made_up(600);
    assert_eq!(books.import(&good).await.code(), Some(0));
    let head = books.0.store.head().await.unwrap();
    for shifted in [good.with_row_before(300, "00001,1997-01-01,1,8.00"), good.with_row_before(601, "")] {
        let ended = books.import(&shifted).await;
        assert_eq!((ended.code(), ended.said("taken")), (Some(4), "0".into()));
        assert!(ended.errors().contains("rows were put in or taken out here or above"), "{}", ended.errors());
        assert_eq!(books.0.store.head().await.unwrap(), head);
    }
    books.must_be(&good.sums()).await;

    // At the end, it is taken; and what is quoted reads the same.
    let longer = good.with_row_before(602, "00001,1997-01-01,1,8.00");
    let quoted = longer.with_row_before(603, "\"00001\",1997-01-01,\"2\",\"9.00\"");
    let ended = books.import(&quoted).await;
    assert_eq!((ended.code(), ended.said("taken"), ended.said("known")), (Some(0), "2".into(), "600".into()));
    books.must_be(&longer.with_row_before(603, "00001,1997-01-01,2,9.00").sums()).await;
}
