//! A hot stream: many at once who all want the same SKU.

use std::sync::Arc;

use anyhow::Result;
use chrono::TimeDelta;
use commands::clock::SystemClock;
use commands::{Actor, Context, EventStore};
use domain::commerce::stock::{Reservation, Stock, StockCommand};
use domain::ids::{ApiKeyId, LineId, OrderId, ReservationId, StockId};
use domain::kernel::Decider;
use uuid::Uuid;

use crate::Settings;
use crate::counter::{self, Counter};
use crate::database::{Peer, Server, workspace};
use crate::drive::{Subject, drive};
use crate::figures::Report;
use crate::subjects::now;

const CONCURRENT: [usize; 2] = [1, 64];

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let section = "a hot stream";
    let mut watch = server.connect().await?;
    for workers in CONCURRENT.into_iter().filter(|&workers| settings.at.is_none_or(|at| at == workers)) {
        let (mut small, mut stock) = (Vec::new(), Vec::new());
        for _ in 0..settings.runs {
            let on = server.create(Peer::Mewayz, "hot").await?;
            let subject = Arc::new(OneCounter(on.store().await?));
            small.push(drive(&subject, workers, settings.run, &on, &mut watch).await?);
            let subject = Arc::new(OneSku::stocked(on.store().await?).await?);
            stock.push(drive(&subject, workers, settings.run, &on, &mut watch).await?);
            server.drop(&on).await?;
        }
        for (case, runs) in [("one counter", small), ("reserve and commit one SKU", stock)] {
            let case = format!("{case}, {workers} at once");
            report.add(section, &case, "mewayz", "/s", runs.iter().map(|run| run.per_second).collect());
            report.processor_time(section, &case, "mewayz", &runs);
        }
    }
    report.print(&format!("{section}: processor time"));
    report.print(section);
    Ok(())
}

/// A client's command, with a key of its own.
async fn execute<A: domain::kernel::Sourced>(
    store: &EventStore,
    id: A::Id,
    command: <A as Decider>::Command,
) -> Result<()> {
    let actor = Actor::Key(ApiKeyId::from_uuid(Uuid::nil()));
    let cx = Context::internal(store.clone(), Arc::new(SystemClock), workspace(0), actor)
        .with_key(&Uuid::new_v4().to_string(), &[b"request"]);
    cx.execute::<A>(id, command).await?;
    Ok(())
}

struct OneCounter(EventStore);

impl Subject for OneCounter {
    async fn act(&self, _: usize, _: usize, _: u64) -> Result<()> {
        execute::<Counter>(&self.0, "hot".to_owned(), counter::add()).await
    }
}

/// What a checkout asks of stock for an order.
struct OneSku {
    store: EventStore,
    sku: StockId,
}

impl OneSku {
    async fn stocked(store: EventStore) -> Result<Self> {
        let sku = StockId { sku: "TEE".parse()?, location: "main".parse()? };
        execute::<Stock>(&store, sku.clone(), StockCommand::Receive { quantity: 1_000_000 }).await?;
        Ok(Self { store, sku })
    }
}

impl Subject for OneSku {
    async fn act(&self, _: usize, _: usize, _: u64) -> Result<()> {
        let (reservation, at) = (ReservationId::from_uuid(Uuid::now_v7()), now());
        let terms = Reservation {
            reservation,
            order: OrderId::from_uuid(Uuid::now_v7()),
            line: LineId::from_uuid(Uuid::now_v7()),
            quantity: 1,
            expires_at: at + TimeDelta::minutes(30),
            backorder: false,
            at,
        };
        execute::<Stock>(&self.store, self.sku.clone(), StockCommand::Reserve(terms)).await?;
        execute::<Stock>(&self.store, self.sku.clone(), StockCommand::Commit { reservation, at }).await
    }
}
