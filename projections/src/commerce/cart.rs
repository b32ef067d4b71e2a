//! Carts, as their buyers see them.

use domain::commerce::cart::{Cart, CartEvent as E};
use domain::ids::{CartId, CustomerId, OrderId, Sku};
use domain::kernel::Recorded;
use domain::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// A cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CartView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<CartId>,
    /// Whose it is; nobody's while the buyer is a guest.
    pub customer: Option<CustomerId>,
    pub currency: Currency,
    /// Ordered by SKU.
    pub lines: Vec<CartLineView>,
    pub status: CartStatus,
    /// The order it became.
    pub order_id: Option<OrderId>,
}

/// So many of a SKU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CartLineView {
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

impl StreamView for Carts {
    const NAME: &'static str = "cart";
    type Of = Cart;
    type Row = CartView;

    fn stem(row: &mut CartView) -> &mut Stem<CartId> {
        &mut row.stem
    }

    fn begun(stem: Stem<CartId>, happened: &E, _: &Recorded) -> Option<CartView> {
        let &E::Opened { customer, currency } = happened else { return None };
        let (lines, status, order_id) = (Vec::new(), CartStatus::Open, None);
        Some(CartView { stem, customer, currency, lines, status, order_id })
    }

    fn apply(row: &mut CartView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Opened { .. } => {}
            E::LineSet { sku, quantity } => {
                row.lines.retain(|line| line.sku != *sku);
                row.lines.push(CartLineView { sku: sku.clone(), quantity: *quantity });
                row.lines.sort_by(|a, b| a.sku.cmp(&b.sku));
            }
            E::LineRemoved { sku } => row.lines.retain(|line| line.sku != *sku),
            E::Assigned { customer } => row.customer = Some(*customer),
            E::CheckedOut { order, .. } => {
                (row.status, row.order_id) = (CartStatus::CheckedOut, Some(*order));
            }
            E::Reopened { .. } => (row.status, row.order_id) = (CartStatus::Open, None),
            E::Abandoned => row.status = CartStatus::Abandoned,
        }
        Ok(())
    }
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
        assert_eq!((mine.customer, mine.status, mine.stem.version), (Some(ANN), CartStatus::Open, 5));
        let yours = row(YOURS, &events).unwrap();
        assert_eq!(lines(&yours), []);
        assert_eq!((yours.customer, yours.status, yours.stem.version), (None, CartStatus::Abandoned, 4));
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
