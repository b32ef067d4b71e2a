//! Ledger transactions, with what became of them.

use chrono::{DateTime, Utc};
use domain::finance::ledger_transaction::{LedgerTransaction, LedgerTransactionEvent as E, Leg, Status};
use domain::ids::LedgerTransactionId;
use domain::kernel::Recorded;
use domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::reading::{Filter, Listing, Order, word};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.ledger_transaction`, and the answer to `GET /api/financial/ledger/transactions/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LedgerTransactionView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<LedgerTransactionId>,
    /// Since when it holds: earlier than it was recorded if it happened before that.
    pub effective_at: DateTime<Utc>,
    pub status: Status,
    /// What is posted; of a pending one what is reserved.
    pub legs: Vec<Leg>,
    /// What was reserved, if it was pending once.
    pub reserved: Option<Money>,
    /// Until when it is pending, or was.
    pub expires_at: Option<DateTime<Utc>>,
    pub reference: Option<String>,
    pub description: Option<String>,
    /// The event of the business that it follows from.
    pub source: Option<Uuid>,
    /// What it takes back.
    pub reverses: Option<LedgerTransactionId>,
    /// What takes it back.
    pub reversed_by: Option<LedgerTransactionId>,
}

/// Read model `ledger_transaction`.
pub struct LedgerTransactions;

impl StreamView for LedgerTransactions {
    const NAME: &'static str = "ledger_transaction";
    type Of = LedgerTransaction;
    type Row = LedgerTransactionView;

    fn stem(row: &mut LedgerTransactionView) -> &mut Stem<LedgerTransactionId> {
        &mut row.stem
    }

    fn begun(
        stem: Stem<LedgerTransactionId>,
        happened: &E,
        first: &Recorded,
    ) -> Option<LedgerTransactionView> {
        let empty = LedgerTransactionView {
            stem,
            effective_at: first.effective_at,
            status: Status::Posted,
            legs: Vec::new(),
            reserved: None,
            expires_at: None,
            reference: None,
            description: None,
            source: None,
            reverses: None,
            reversed_by: None,
        };
        match happened {
            E::Posted(of) => Some(LedgerTransactionView {
                legs: of.legs.clone(),
                reference: of.reference.clone(),
                description: of.description.clone(),
                source: of.source,
                reverses: of.reverses,
                ..empty
            }),
            E::Reserved(of) => Some(LedgerTransactionView {
                status: Status::Pending,
                legs: vec![of.leg.clone()],
                reserved: Some(of.leg.amount),
                expires_at: Some(of.expires_at),
                reference: of.reference.clone(),
                description: of.description.clone(),
                ..empty
            }),
            _ => None,
        }
    }

    fn apply(row: &mut LedgerTransactionView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Posted(_) | E::Reserved(_) => {}
            E::PendingPosted { leg, .. } => (row.status, row.legs) = (Status::Posted, vec![leg.clone()]),
            E::Voided { .. } => row.status = Status::Voided,
            E::Expired { .. } => row.status = Status::Expired,
            E::Reversed { by, .. } => (row.status, row.reversed_by) = (Status::Reversed, Some(*by)),
        }
        Ok(())
    }
}

/// Which transactions a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LedgerTransactionFilter {
    #[param(inline, nullable = false)]
    pub status: Option<Status>,
    #[param(nullable = false, min_length = 1, max_length = 200)]
    pub reference: Option<String>,
}

impl Filter for LedgerTransactionFilter {
    type Of = LedgerTransactions;

    fn order(&self) -> Order {
        Order::by("effective_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<LedgerTransactions>) -> Listing<LedgerTransactions> {
        list.only("t.status = ", self.status.map(word), "").only("t.reference = ", self.reference, "")
    }
}
