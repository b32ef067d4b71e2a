//! Refunds, as the seller's books and support see them.

use chrono::{DateTime, Utc};
use domain::finance::refund::{Reason, Refund, RefundEvent, RefundLine, RefundStatus};
use domain::ids::{OrderId, PaymentId, RefundId, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};

use crate::reading::{After, Listing, Order, Page, Seen};
use crate::schema;
use crate::view::{RowKey, Touches, Unfoldable, View};

/// One row of `read.refund`, and the answer to `GET /api/financial/refunds/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundView {
    #[schema(schema_with = schema::id::<WorkspaceId>)]
    pub workspace_id: WorkspaceId,
    #[schema(schema_with = schema::id::<RefundId>)]
    pub id: RefundId,
    #[schema(schema_with = schema::id::<PaymentId>)]
    pub payment_id: PaymentId,
    #[schema(schema_with = schema::id::<OrderId>)]
    pub order_id: OrderId,
    #[schema(value_type = String, example = "succeeded")]
    pub status: RefundStatus,
    #[schema(value_type = schema::Money)]
    pub amount: Money,
    #[schema(value_type = String, example = "returned")]
    pub reason: Reason,
    /// What it is for, where it is for some lines.
    #[schema(value_type = Vec<Object>)]
    pub lines: Vec<RefundLine>,
    pub psp_ref: Option<String>,
    /// Why it failed, in the provider's words.
    pub code: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Its ETag.
    pub version: i64,
}

/// Read model `refund`.
pub struct Refunds;

impl View for Refunds {
    const NAME: &'static str = "refund";
    const LISTENS_TO: &'static [&'static str] = &[Refund::NAME];
    const BY_STREAM: bool = true;
    type Row = RefundView;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        Ok(Touches::stream_of::<Refund>(event))
    }

    fn fold(_: &RowKey, row: Option<RefundView>, event: &Recorded) -> Result<Option<RefundView>, Unfoldable> {
        let Some(happened) = event.of::<Refund>()? else { return Ok(row) };
        let Some(mut row) = row.or_else(|| RefundView::begun(event, happened)) else { return Ok(None) };
        row.take_in(happened);
        row.updated_at = event.effective_at;
        row.version = event.sequence;
        Ok(Some(row))
    }
}

impl RefundView {
    fn begun(event: &Recorded, happened: &RefundEvent) -> Option<Self> {
        let RefundEvent::Requested { payment, order, amount, reason, lines } = happened else { return None };
        Some(Self {
            workspace_id: event.workspace,
            id: event.id.parse().ok()?,
            payment_id: *payment,
            order_id: *order,
            status: RefundStatus::Requested,
            amount: *amount,
            reason: *reason,
            lines: lines.clone(),
            psp_ref: None,
            code: None,
            created_at: event.effective_at,
            updated_at: event.effective_at,
            version: 0,
        })
    }

    fn take_in(&mut self, happened: &RefundEvent) {
        use RefundEvent as E;
        self.status = match happened {
            E::Requested { .. } => RefundStatus::Requested,
            E::Approved { .. } => RefundStatus::Approved,
            E::Sent { .. } => RefundStatus::Sent,
            E::Succeeded { psp_ref, .. } => {
                self.psp_ref = Some(psp_ref.clone());
                RefundStatus::Succeeded
            }
            E::Failed { code, .. } => {
                self.code = Some(code.clone());
                RefundStatus::Failed
            }
            E::HeldForReview { code, .. } => {
                self.code = Some(code.clone());
                RefundStatus::ManualReview
            }
            E::OutcomeUnknown { .. } => RefundStatus::Unknown,
            E::Reversed { .. } => RefundStatus::Reversed,
            E::Cancelled { .. } => RefundStatus::Cancelled,
            E::LateObservation { .. } => self.status,
        };
    }
}

/// Which refunds a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RefundFilter {
    #[param(required = false, schema_with = statuses)]
    pub status: Option<String>,
    #[param(required = false, schema_with = schema::id::<OrderId>)]
    pub order_id: Option<OrderId>,
    #[param(required = false, schema_with = schema::id::<PaymentId>)]
    pub payment_id: Option<PaymentId>,
}

fn statuses() -> Object {
    schema::one_of(&[
        "requested",
        "approved",
        "sent",
        "unknown",
        "succeeded",
        "failed",
        "manual_review",
        "reversed",
        "cancelled",
    ])
}

/// One refund of a workspace.
///
/// # Errors
/// If the database does not answer.
pub async fn find(
    db: &PgPool,
    workspace: WorkspaceId,
    id: RefundId,
) -> Result<Seen<Option<RefundView>>, sqlx::Error> {
    let found = sqlx::query!(
        r#"select s.position, to_jsonb(t) as "row: Json<RefundView>"
           from subscriptions s left join read.refund t on t.workspace_id = $1 and t.id = $2
           where s.name = 'refund'"#,
        workspace.to_string(),
        id.to_string()
    );
    Ok(Seen::one(found.fetch_optional(db).await?.map(|found| (found.position, found.row))))
}

/// Refunds of a workspace, newest first, a page at a time.
///
/// # Errors
/// If the database does not answer, or if `after` is not of this list.
pub async fn list(
    db: &PgPool,
    workspace: WorkspaceId,
    filter: RefundFilter,
    (after, limit): (Option<After>, usize),
) -> Result<Seen<Page<RefundView>>, sqlx::Error> {
    Listing::<Refunds>::of(workspace, Order::by("created_at", "timestamptz").descending())
        .only("t.status = ", filter.status, "")
        .only("t.order_id = ", filter.order_id.map(|id| id.to_string()), "")
        .only("t.payment_id = ", filter.payment_id.map(|id| id.to_string()), "")
        .page(db, after, limit)
        .await
}
