//! Invariants: what must hold of the books and of money at every position, and where it held no more first.
//!
//! | | holds |
//! |---|---|
//! | I1 | of each currency, as much is debited as credited, leg by leg |
//! | I3 | what must not be overdrawn never is, what is pending counted |
//! | I4 | what is pending is ended once, with no more than was reserved |
//! | I9 | of a payment, no more is taken than was authorised, no more given back than taken; one attempt lives at a time |
//! | I10 | what is captured is posted once, whole; nothing is posted as captured that was not; no event is posted twice |
//! | I11 | of an order, no more is earned than it ever came to, and no less than nothing |
//!
//! Each is a fold over events, apart from the rules that decide them: whatever went wrong there shows here. What is
//! broken stays so, with the first position. I2, that balances are what their entries come to, is compared when it is
//! asked for ([`watch`]).

use std::collections::BTreeMap;

use domain::commerce::order::{Order, OrderEvent, Settlement};
use domain::finance::ledger_account::{LedgerAccount, LedgerAccountEvent, Side};
use domain::finance::ledger_transaction::{LedgerTransaction, LedgerTransactionEvent as T, Leg, Posting};
use domain::finance::payment::{Payment, PaymentEvent};
use domain::ids::{AttemptId, LedgerAccountId, RefundId, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::view::{RowKey, Touches, Unfoldable, View};

mod facts;

pub use facts::Facts;

/// One row of `read.invariant`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvariantRow {
    pub workspace_id: WorkspaceId,
    pub id: String,
    pub facts: Facts,
    /// Money that was taken and is not in the books yet.
    pub waiting: bool,
    pub broken: Option<String>,
    pub position: Option<i64>,
    pub detail: Option<String>,
}

/// Read model `invariant`.
pub struct Invariants;

/// The order that an account of what customers have paid and not got yet is of.
fn order_of(account: &LedgerAccountId) -> Option<&str> {
    account.path().strip_prefix("order:")?.strip_suffix(":unearned")
}

/// The keys of what an event of a transaction is about.
fn keys_of(event: &Recorded, happened: &T) -> Vec<String> {
    let legs = facts::legs(happened);
    let accounts = legs.iter().flat_map(|leg| [&leg.debit, &leg.credit]);
    let mut keys: Vec<String> = accounts
        .flat_map(|account| {
            let order = order_of(account).map(|order| format!("order/{order}"));
            [format!("account/{account}"), format!("currency/{}", account.currency())]
                .into_iter()
                .chain(order)
        })
        .collect();
    match happened {
        T::Posted(Posting { source: Some(source), .. }) => keys.push(format!("posting/{source}")),
        T::Posted(_) | T::Reversed { .. } => {}
        T::Reserved(_) | T::PendingPosted { .. } | T::Voided { .. } | T::Expired { .. } => {
            keys.push(format!("transaction/{}", event.id));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl View for Invariants {
    const NAME: &'static str = "invariant";
    const LISTENS_TO: &'static [&'static str] =
        &[LedgerAccount::NAME, LedgerTransaction::NAME, Order::NAME, Payment::NAME];
    const BY_STREAM: bool = false;
    type Row = InvariantRow;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        let row = |key| RowKey { workspace: event.workspace, key };
        let keys = if let Some(happened) = event.of::<LedgerTransaction>()? {
            keys_of(event, happened)
        } else if let Some(happened) = event.of::<Payment>()? {
            let posting = format!("posting/{}", event.event_id);
            let captured = matches!(happened, PaymentEvent::Captured { .. }).then_some(posting);
            [format!("payment/{}", event.id)].into_iter().chain(captured).collect()
        } else if let Some(happened) = event.of::<LedgerAccount>()? {
            let opened = matches!(happened, LedgerAccountEvent::Opened { no_overdraft: true, .. });
            opened.then(|| format!("account/{}", event.id)).into_iter().collect()
        } else {
            let changed = match event.of::<Order>()? {
                Some(OrderEvent::Placed(placed)) => placed.settlement != Settlement::Recorded,
                Some(OrderEvent::EditConfirmed { .. }) => true,
                _ => false,
            };
            changed.then(|| format!("order/{}", event.id)).into_iter().collect()
        };
        Ok(Touches(keys.into_iter().map(row).collect()))
    }

    fn fold(
        of: &RowKey,
        row: Option<InvariantRow>,
        event: &Recorded,
    ) -> Result<Option<InvariantRow>, Unfoldable> {
        let known = row.as_ref().map(|row| row.facts.clone());
        let Some((facts, broken)) = Facts::after(known, &of.key, event)? else { return Ok(row) };
        let waiting = matches!(&facts, Facts::Posting { captured: Some(_), transactions: 0 });
        let mut row = row.unwrap_or(InvariantRow {
            workspace_id: event.workspace,
            id: of.key.clone(),
            facts: facts.clone(),
            waiting,
            broken: None,
            position: None,
            detail: None,
        });
        (row.facts, row.waiting) = (facts, waiting);
        if let Some((invariant, detail)) = broken
            && row.broken.is_none()
        {
            (row.broken, row.position, row.detail) =
                (Some(invariant.to_owned()), Some(event.position), Some(detail));
        }
        Ok(Some(row))
    }
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BrokenInvariant {
    /// `I1`, `I2` …
    pub invariant: String,
    pub workspace: WorkspaceId,
    /// What it does not hold of: `<kind>/<id>`.
    pub of: String,
    /// The first position of the log at which it does not; not there where the read models do not agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    pub detail: String,
}

/// What holds, as far as the log was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct InvariantsView {
    /// The last position that was looked at.
    pub position: i64,
    /// What does not hold, first positions first, at most a hundred.
    pub broken: Vec<BrokenInvariant>,
    /// How many captures are not in the books yet: none, once everything has reacted.
    pub unposted: i64,
}

/// What holds of all workspaces.
///
/// # Errors
/// If the database does not answer.
pub async fn watch(db: &PgPool) -> Result<InvariantsView, sqlx::Error> {
    const BROKEN: &str = "
        select broken, workspace_id, id, position, detail from read.invariant
        where broken is not null order by position, workspace_id, id limit 100";
    // Balances of now, against the entries that are known at the same position.
    const DISAGREEING: &str = "
        select 'I2', a.workspace_id, 'account/' || a.id, null::bigint,
               'its balance is ' || (a.balance).amount || ', its entries come to '
                   || case when a.class in ('asset', 'expense') then coalesce(e.net, 0) else -coalesce(e.net, 0) end
        from read.ledger_account a
        left join (select workspace_id, account_id, sum(debit - credit) as net from read.ledger_day group by 1, 2) e
          on e.workspace_id = a.workspace_id and e.account_id = a.id
        where (select count(distinct position) from subscriptions where name in ('ledger_account', 'ledger_entry')) = 1
          and (a.balance).amount
              <> case when a.class in ('asset', 'expense') then coalesce(e.net, 0) else -coalesce(e.net, 0) end
        order by 2, 3 limit 100";
    type Found = (String, String, String, Option<i64>, String);
    let mut transaction = db.begin_with("begin isolation level repeatable read read only").await?;
    let mut found: Vec<Found> = sqlx::query_as(BROKEN).fetch_all(&mut *transaction).await?;
    found.extend(sqlx::query_as::<_, Found>(DISAGREEING).fetch_all(&mut *transaction).await?);
    let (position, unposted): (i64, i64) = sqlx::query_as(
        "select coalesce((select position from subscriptions where name = 'invariant'), 0),
                (select count(*) from read.invariant where waiting)",
    )
    .fetch_one(&mut *transaction)
    .await?;
    let broken = found.into_iter().map(|(invariant, workspace, of, position, detail)| {
        let workspace =
            workspace.parse().map_err(|error: domain::ids::NotAnId| sqlx::Error::Decode(error.into()))?;
        Ok::<_, sqlx::Error>(BrokenInvariant { invariant, workspace, of, position, detail })
    });
    Ok(InvariantsView { position, broken: broken.collect::<Result<_, _>>()?, unposted })
}
