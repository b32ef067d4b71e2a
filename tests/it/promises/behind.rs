//! Who is behind the log: gets on, however slow the database is.

use std::sync::Arc;
use std::time::Duration;

use commands::clock::SystemClock;
use commands::store::CACHED_AGGREGATES;
use commands::{Actor, Context, EventStore};
use domain::commerce::stock::{Stock, StockCommand};
use domain::ids::WorkspaceId;
use infra::log::Log;
use infra::subscription::reactor::Reactor;
use infra::subscription::{Host, checkpoint};
use projections::commerce::stock::StockLevels;
use projections::{Projector, Runtime, View};
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, PgPool};
use tests::database::TestDatabase;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Each read of the log takes its time, as in a database that has too much to do.
const READS_LINGER: &str = "
    alter table events rename to kept;
    create view events as select * from kept where (select pg_sleep(0.7)) is not null; -- the read that takes longer than what comes between
    grant select on events to mewayz_run;";

#[tokio::test]
async fn who_is_behind_gets_on_however_long_a_read_of_the_log_takes() {
    let database = TestDatabase::create().await;
    let store = |pool: &PgPool| EventStore::open(pool.clone(), database.run.clone(), CACHED_AGGREGATES);
    let workspace = WorkspaceId::from_uuid(Uuid::now_v7());
    let cx = Context::internal(store(&database.pool), Arc::new(SystemClock), workspace, Actor::Job("test"));
    let stock = "TEE@main".parse().unwrap();
    cx.execute::<Stock>(stock, StockCommand::Receive { quantity: 1 }).await.unwrap();
    let mut owner = database.owner.connect().await.unwrap();
    sqlx::raw_sql(READS_LINGER).execute(&mut owner).await.unwrap();

    let stop = CancellationToken::new();
    let pool = PgPoolOptions::new().connect_lazy_with(database.run.clone());
    let host = Host {
        log: Log::follow(store(&pool), stop.clone()).await.unwrap(),
        clock: Arc::new(SystemClock),
        instance: Uuid::now_v7(),
        lease: Duration::from_secs(60),
        stop: stop.clone(),
    };
    let process = commands::process::all().remove(0);
    let names = [process.name(), StockLevels::NAME];
    let views: Vec<Box<dyn Projector>> = vec![Box::new(Runtime::<StockLevels>::default())];
    let host = tokio::spawn(host.run(views, vec![Reactor::Process(process)]));
    for name in names {
        let at = checkpoint::reached(&pool, name, 1, Duration::from_secs(20)).await.unwrap();
        assert_eq!(at, 1, "{name}");
    }
    stop.cancel();
    host.await.unwrap().unwrap();
}
