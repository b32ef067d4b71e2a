//! Orders as they are asked for: one, or a page of a list.

use chrono::{DateTime, Utc};
use domain::ids::{CustomerId, OrderId, WorkspaceId};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};

use super::{OrderView, Orders};
use crate::reading::{self, After, Listing, Page, Seen};
use crate::schema;

/// Which orders a list is of, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderFilter {
    #[param(required = false, schema_with = statuses)]
    pub status: Option<String>,
    #[param(required = false, schema_with = payment_statuses)]
    pub payment_status: Option<String>,
    #[param(required = false, schema_with = fulfilment_statuses)]
    pub fulfilment_status: Option<String>,
    #[param(required = false, schema_with = schema::id::<CustomerId>)]
    pub customer_id: Option<CustomerId>,
    /// The seller's or the source's own number for it.
    #[param(required = false, nullable = false, min_length = 1, max_length = 200)]
    pub reference: Option<String>,
    /// Only those placed at this time or later.
    #[param(required = false, nullable = false)]
    pub placed_from: Option<DateTime<Utc>>,
    /// Only those placed before this time.
    #[param(required = false, nullable = false)]
    pub placed_to: Option<DateTime<Utc>>,
    /// What they are ordered by; backwards after `-`. The newest first if it is not said.
    #[param(required = false, inline)]
    #[serde(default)]
    pub sort: OrderSort,
}

fn statuses() -> Object {
    schema::one_of(&["draft", "placed", "confirmed", "completed", "cancelled", "expired"])
}

fn payment_statuses() -> Object {
    schema::one_of(&["none", "authorised", "partial", "paid", "over", "part_refunded", "refunded"])
}

fn fulfilment_statuses() -> Object {
    schema::one_of(&[
        "none",
        "partly_fulfilled",
        "fulfilled",
        "partly_shipped",
        "shipped",
        "partly_delivered",
        "delivered",
    ])
}

/// What a list of orders is ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum OrderSort {
    #[default]
    #[serde(rename = "-created")]
    Newest,
    #[serde(rename = "created")]
    Oldest,
    /// By their total in minor units, of whatever currency.
    #[serde(rename = "-total")]
    Largest,
    #[serde(rename = "total")]
    Smallest,
}

impl OrderSort {
    const fn order(self) -> reading::Order {
        let (created, total) =
            (reading::Order::by("created_at", "timestamptz"), reading::Order::by("amount", "bigint"));
        match self {
            Self::Newest => created.descending(),
            Self::Oldest => created,
            Self::Largest => total.descending(),
            Self::Smallest => total,
        }
    }
}

/// One order of a workspace.
///
/// # Errors
/// If the database does not answer.
pub async fn find(
    db: &PgPool,
    workspace: WorkspaceId,
    id: OrderId,
) -> Result<Seen<Option<OrderView>>, sqlx::Error> {
    let found = sqlx::query!(
        r#"select s.position, to_jsonb(t) as "row: Json<OrderView>"
           from subscriptions s left join read."order" t on t.workspace_id = $1 and t.id = $2
           where s.name = 'order'"#,
        workspace.to_string(),
        id.to_string()
    );
    Ok(Seen::one(found.fetch_optional(db).await?.map(|found| (found.position, found.row))))
}

/// Orders of a workspace, a page at a time.
///
/// # Errors
/// If the database does not answer, or if `after` is not of this list.
pub async fn list(
    db: &PgPool,
    workspace: WorkspaceId,
    filter: OrderFilter,
    (after, limit): (Option<After>, usize),
) -> Result<Seen<Page<OrderView>>, sqlx::Error> {
    Listing::<Orders>::of(workspace, filter.sort.order())
        .only("t.status = ", filter.status, "")
        .only("t.payment_status = ", filter.payment_status, "")
        .only("t.fulfilment_status = ", filter.fulfilment_status, "")
        .only("t.customer_id = ", filter.customer_id.map(|id| id.to_string()), "")
        .only("t.reference = ", filter.reference, "")
        .only("t.placed_at >= ", filter.placed_from, "")
        .only("t.placed_at < ", filter.placed_to, "")
        .page(db, after, limit)
        .await
}
