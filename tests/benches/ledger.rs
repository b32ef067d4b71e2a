//! Transfers of the ledger beside double entry in plain SQL, in the same run on the same PostgreSQL: between random
//! accounts of a thousand, none of which may be overdrawn, and with all money going to one account.

use std::sync::Arc;

use anyhow::Result;
use commands::clock::SystemClock;
use commands::finance::{ledger_account, ledger_transaction};
use commands::{Actor, Context, EventStore};
use domain::finance::ledger_account::Class;
use domain::finance::ledger_transaction::{Leg, Posting};
use domain::ids::{ApiKeyId, LedgerAccountId};
use domain::money::{Currency, Money};
use rand::RngExt;
use sqlx::PgPool;
use uuid::Uuid;

use crate::Settings;
use crate::database::{Peer, Server, workspace};
use crate::drive::{Subject, drive};
use crate::figures::Report;

const CONCURRENT: [usize; 2] = [1, 64];
const ACCOUNTS: i64 = 1_000;
const FUNDS: i64 = 1_000_000_000;

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let section = "ledger";
    let mut watch = server.connect().await?;
    for workers in CONCURRENT.into_iter().filter(|&workers| settings.at.is_none_or(|at| at == workers)) {
        for to in [To::Anybody, To::One] {
            let (mut ours, mut plain) = (Vec::new(), Vec::new());
            for _ in 0..settings.runs {
                let on = server.create(Peer::Mewayz, "ledger").await?;
                on.execute(PLAIN).await?;
                let subject = Arc::new(Ledger::opened(on.store().await?, to).await?);
                ours.push(drive(&subject, workers, settings.run, &on, &mut watch).await?);
                let pool = on.pool("mewayz_owner", u32::try_from(workers)?).await?;
                let subject = Arc::new(PlainSql { pool, to });
                plain.push(drive(&subject, workers, settings.run, &on, &mut watch).await?);
                server.drop(&on).await?;
            }
            let case = match to {
                To::Anybody => format!("between random accounts, {workers} at once"),
                To::One => format!("to one account, {workers} at once"),
            };
            for (peer, runs) in [("mewayz", ours), ("plain SQL", plain)] {
                report.add(section, &case, peer, "/s", runs.iter().map(|run| run.per_second).collect());
                report.processor_time(section, &case, peer, &runs);
            }
        }
    }
    report.print(&format!("{section}: processor time"));
    report.print(section);
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum To {
    Anybody,
    /// A gateway's clearing: shared here, without a check there.
    One,
}

/// From whom to whom, and how much.
fn transfer(to: To) -> (i64, Option<i64>, i64) {
    let mut chance = rand::rng();
    let from = chance.random_range(0..ACCOUNTS);
    let other = (from + chance.random_range(1..ACCOUNTS)) % ACCOUNTS;
    (from, matches!(to, To::Anybody).then_some(other), chance.random_range(1..=100))
}

struct Ledger {
    store: EventStore,
    accounts: Vec<LedgerAccountId>,
    clearing: LedgerAccountId,
    to: To,
}

impl Ledger {
    /// With funds in each account.
    async fn opened(store: EventStore, to: To) -> Result<Self> {
        let ids = (0..ACCOUNTS).map(|n| format!("cust:{n}:wallet@USD").parse());
        let accounts = ids.collect::<Result<Vec<LedgerAccountId>, _>>()?;
        let ledger = Self { store, accounts, clearing: "psp:x:clearing@USD".parse()?, to };
        let open = |id: &LedgerAccountId, class, shared: bool| {
            ledger_account::open(ledger.command(), id.clone(), class, !shared, shared)
        };
        open(&ledger.clearing, Class::Asset, true).await?;
        let funds = FUNDS;
        for some in ledger.accounts.chunks(50) {
            futures::future::try_join_all(some.iter().map(|id| open(id, Class::Liability, false))).await?;
            let legs = some.iter().map(|id| leg(&ledger.clearing, id, funds)).collect();
            ledger_transaction::post(ledger.command(), posting(legs)).await?;
        }
        Ok(ledger)
    }

    /// A client's command, with a key of its own.
    fn command(&self) -> Context {
        let actor = Actor::Key(ApiKeyId::from_uuid(Uuid::nil()));
        Context::internal(self.store.clone(), Arc::new(SystemClock), workspace(0), actor)
            .with_key(&Uuid::new_v4().to_string(), &[b"request"])
    }
}

fn leg(debit: &LedgerAccountId, credit: &LedgerAccountId, amount: i64) -> Leg {
    let amount = Money::new(amount, Currency::USD);
    Leg { debit: debit.clone(), credit: credit.clone(), amount, code: None }
}

fn posting(legs: Vec<Leg>) -> Posting {
    Posting { legs, reference: None, description: None, source: None, reverses: None }
}

impl Subject for Ledger {
    async fn act(&self, _: usize, _: usize, _: u64) -> Result<()> {
        let (from, to, amount) = transfer(self.to);
        let account = |n: i64| usize::try_from(n).map(|n| &self.accounts[n]);
        let to = to.map(account).transpose()?.unwrap_or(&self.clearing);
        let posting = posting(vec![leg(account(from)?, to, amount)]);
        ledger_transaction::post(self.command(), posting).await?;
        Ok(())
    }
}

struct PlainSql {
    pool: PgPool,
    to: To,
}

impl Subject for PlainSql {
    async fn act(&self, _: usize, _: usize, _: u64) -> Result<()> {
        let (from, to, amount) = transfer(self.to);
        sqlx::query("select plain.move_money($1, $2, $3, $4)")
            .bind(Uuid::new_v4())
            .bind(from)
            .bind(to.unwrap_or(ACCOUNTS))
            .bind(amount)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Accounts with their balance, transfers by key, an entry for each side, and no overdraft but of the last account.
const PLAIN: &str = "
create schema plain;
create table plain.account (
    number bigint primary key, balance bigint not null, guarded boolean not null,
    check (not guarded or balance >= 0));
create table plain.transfer (
    id bigint generated always as identity primary key, key uuid not null unique,
    recorded_at timestamptz not null default now());
create table plain.entry (
    transfer bigint not null references plain.transfer, account bigint not null references plain.account,
    amount bigint not null, balance bigint not null, primary key (transfer, account));
create index on plain.entry (account, transfer);
insert into plain.account select n, 1000000000, true from generate_series(0, 999) n;
insert into plain.account values (1000, 0, false);
create function plain.move_money(named uuid, payer bigint, payee bigint, much bigint) returns bigint
language plpgsql as $$
declare made bigint; begin
    select id into made from plain.transfer where key = named;
    if made is not null then return made; end if;
    perform from plain.account where number in (payer, payee) order by number for update;
    insert into plain.transfer (key) values (named) returning id into made;
    with moved as (
        update plain.account set balance = balance + case number when payer then -much else much end
        where number in (payer, payee) returning number, balance)
    insert into plain.entry
        select made, number, case number when payer then -much else much end, balance from moved;
    return made;
end $$;";
