//! Carts, as their buyers see them.

use chrono::{DateTime, Utc};
use domain::commerce::cart::{Cart, CartEvent as E};
use domain::ids::{CartId, CustomerId, OrderId, Sku, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Currency;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::reading::Seen;
use crate::schema;
use crate::view::{RowKey, Touches, Unfoldable, View};

/// A cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CartView {
    #[schema(schema_with = schema::id::<WorkspaceId>)]
    pub workspace_id: WorkspaceId,
    #[schema(schema_with = schema::id::<CartId>)]
    pub id: CartId,
    /// Whose it is; nobody's while the buyer is a guest.
    #[schema(schema_with = schema::id_if_any::<CustomerId>)]
    pub customer: Option<CustomerId>,
    #[schema(schema_with = schema::currency)]
    pub currency: Currency,
    /// Ordered by SKU.
    pub lines: Vec<CartLineView>,
    pub status: CartStatus,
    /// The order it became.
    #[schema(schema_with = schema::id_if_any::<OrderId>)]
    pub order_id: Option<OrderId>,
    /// How many events made it: its ETag.
    pub version: i64,
    /// When its opening was recorded.
    pub created_at: DateTime<Utc>,
    /// When its last change was recorded.
    pub updated_at: DateTime<Utc>,
}

/// So many of a SKU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CartLineView {
    #[schema(schema_with = schema::sku)]
    pub sku: Sku,
    pub quantity: i64,
}

/// Whether a cart can still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CartStatus {
    Open,
    CheckedOut,
    Abandoned,
}

/// Carts by id.
pub struct Carts;

impl View for Carts {
    const NAME: &'static str = "cart";
    const LISTENS_TO: &'static [&'static str] = &[Cart::NAME];
    const BY_STREAM: bool = true;
    type Row = CartView;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        Ok(Touches::stream_of::<Cart>(event))
    }

    fn fold(_: &RowKey, row: Option<CartView>, event: &Recorded) -> Result<Option<CartView>, Unfoldable> {
        let Some(happened) = event.of::<Cart>()? else { return Ok(row) };
        let row = match (row, happened) {
            (None, &E::Opened { customer, currency }) => Some(CartView {
                workspace_id: event.workspace,
                id: event.id_as()?,
                customer,
                currency,
                lines: Vec::new(),
                status: CartStatus::Open,
                order_id: None,
                version: 0,
                created_at: event.recorded_at,
                updated_at: event.recorded_at,
            }),
            (Some(row), happened) => Some(row.after(happened)),
            (None, _) => None,
        };
        Ok(row.map(|row| CartView { version: event.sequence, updated_at: event.recorded_at, ..row }))
    }
}

impl CartView {
    fn after(mut self, happened: &E) -> Self {
        match happened {
            E::Opened { .. } => {}
            E::LineSet { sku, quantity } => {
                self.lines.retain(|line| line.sku != *sku);
                self.lines.push(CartLineView { sku: sku.clone(), quantity: *quantity });
                self.lines.sort_by(|a, b| a.sku.cmp(&b.sku));
            }
            E::LineRemoved { sku } => self.lines.retain(|line| line.sku != *sku),
            E::Assigned { customer } => self.customer = Some(*customer),
            E::CheckedOut { order, .. } => {
                (self.status, self.order_id) = (CartStatus::CheckedOut, Some(*order));
            }
            E::Abandoned => self.status = CartStatus::Abandoned,
        }
        self
    }
}

/// One cart.
///
/// # Errors
/// If the database does not answer.
pub async fn find(
    db: &PgPool,
    workspace: WorkspaceId,
    id: CartId,
) -> Result<Seen<Option<CartView>>, sqlx::Error> {
    let found = sqlx::query!(
        r#"select s.position, to_jsonb(t) as "row: Json<CartView>"
           from subscriptions s left join read.cart t on t.workspace_id = $1 and t.id = $2
           where s.name = 'cart'"#,
        workspace.to_string(),
        id.to_string()
    );
    Ok(Seen::one(found.fetch_optional(db).await?.map(|found| (found.position, found.row))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use uuid::Uuid;

    const MINE: &str = "cart_00000000000000000000000001";
    const YOURS: &str = "cart_00000000000000000000000002";
    const ANN: CustomerId = CustomerId::from_uuid(Uuid::from_u128(3));
    const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(4));

    fn opened() -> E {
        E::Opened { customer: None, currency: Currency::EUR }
    }

    fn line_set(sku: &str, quantity: i64) -> E {
        E::LineSet { sku: sku.parse().unwrap(), quantity }
    }

    fn lines(cart: &CartView) -> Vec<(&str, i64)> {
        cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
    }

    /// What is remembered of a cart after these events of two.
    fn row(id: &str, events: &[(&str, E)]) -> Option<CartView> {
        example::row::<Carts>(id, events.iter().map(|(of, event)| Recorded::example::<Cart>(*of, event)))
    }

    #[test]
    fn holds_what_its_own_buyer_put_in() {
        let events = [
            (MINE, opened()),
            (YOURS, opened()),
            (MINE, line_set("lamp", 2)),
            (YOURS, line_set("chair", 1)),
            (MINE, line_set("bulb", 4)),
            (MINE, line_set("lamp", 3)),
            (YOURS, E::LineRemoved { sku: "chair".parse().unwrap() }),
            (YOURS, E::Abandoned),
            (MINE, E::Assigned { customer: ANN }),
        ];
        let mine = row(MINE, &events).unwrap();
        assert_eq!(lines(&mine), [("bulb", 4), ("lamp", 3)]);
        assert_eq!((mine.customer, mine.status, mine.version), (Some(ANN), CartStatus::Open, 5));
        let yours = row(YOURS, &events).unwrap();
        assert_eq!(lines(&yours), []);
        assert_eq!((yours.customer, yours.status, yours.version), (None, CartStatus::Abandoned, 4));
    }

    #[test]
    fn tells_which_order_it_became() {
        let checked_out =
            E::CheckedOut { order: ORDER, customer: None, currency: Currency::EUR, lines: vec![] };
        let cart = row(MINE, &[(MINE, opened()), (MINE, line_set("lamp", 2)), (MINE, checked_out)]).unwrap();
        assert_eq!((cart.status, cart.order_id), (CartStatus::CheckedOut, Some(ORDER)));
        assert_eq!(lines(&cart), [("lamp", 2)]);
    }
}
