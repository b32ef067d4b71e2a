//! Cart: what a buyer means to order, until they check it out or leave it.
//!
//! It holds SKUs and quantities only: prices are facts of the order that is made of it. A line is its SKU.
//! Checked out and abandoned are ends, unless the order came to nothing by itself: then the cart is there again.
//! Repeating a request that already took effect decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{CartId, CustomerId, OrderId, Sku};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::Currency;
use crate::sourced;

/// How many lines a cart may have.
pub const MAX_LINES: usize = 200;
/// The largest quantity of a line.
pub const MAX_QUANTITY: i64 = 10_000;

/// What may be asked of a cart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum CartCommand {
    /// Begin one, of a guest or a known customer.
    Open {
        customer: Option<CustomerId>,
        currency: Currency,
    },
    /// Have that many of it; 0 removes the line.
    SetLine {
        sku: Sku,
        quantity: i64,
    },
    /// Say whose it is, once a guest is known.
    Assign {
        customer: CustomerId,
    },
    /// Make it this order.
    CheckOut {
        order: OrderId,
    },
    /// Told: the order it became came to nothing.
    Reopen {
        order: OrderId,
    },
    Abandon,
}

/// What has happened to a cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum CartEvent {
    Opened {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customer: Option<CustomerId>,
        currency: Currency,
    },
    LineSet {
        sku: Sku,
        quantity: i64,
    },
    LineRemoved {
        sku: Sku,
    },
    Assigned {
        customer: CustomerId,
    },
    CheckedOut {
        order: OrderId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customer: Option<CustomerId>,
        currency: Currency,
        lines: Vec<CartLine>,
    },
    /// The order it became came to nothing: it can be checked out again.
    Reopened {
        order: OrderId,
    },
    Abandoned,
}

/// So many of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    pub sku: Sku,
    pub quantity: i64,
}

/// Why a cart says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum CartRefusal {
    #[error("no such cart")]
    Unknown,
    #[error("this cart was opened in another currency or for another customer")]
    AlreadyOpened,
    #[error("the cart belongs to another customer")]
    AssignedToAnother,
    #[error("the cart became {0}")]
    CheckedOut(OrderId),
    #[error("the cart was abandoned")]
    Abandoned,
    #[error("the cart is empty")]
    Empty,
    #[error("a cart has at most {MAX_LINES} lines")]
    Full,
    #[error("a quantity is 0 to {MAX_QUANTITY}")]
    BadQuantity,
}

/// A cart, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    currency: Option<Currency>,
    customer: Option<CustomerId>,
    lines: BTreeMap<Sku, i64>,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    CheckedOut(OrderId),
    Abandoned,
}

impl Cart {
    /// The currency it was opened in, if it was opened.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// Whose it is, if that is known.
    #[must_use]
    pub fn customer(&self) -> Option<CustomerId> {
        self.customer
    }

    /// Its lines, by SKU.
    #[must_use]
    pub fn lines(&self) -> Vec<CartLine> {
        self.lines.iter().map(|(sku, &quantity)| CartLine { sku: sku.clone(), quantity }).collect()
    }
}

impl Decider for Cart {
    const NAME: &'static str = "commerce.cart";
    type Id = CartId;
    type Command = CartCommand;
    type Event = CartEvent;
    type Refusal = CartRefusal;

    fn decide(&self, command: CartCommand) -> Result<Vec<CartEvent>, CartRefusal> {
        use {CartCommand as C, CartEvent as E, CartRefusal as No};
        let Some(present) = self.currency else {
            return match command {
                C::Open { customer, currency } => Ok(vec![E::Opened { customer, currency }]),
                _ => Err(No::Unknown),
            };
        };
        match (self.end, command) {
            (_, C::Open { customer, currency }) if (customer, currency) == (self.customer, present) => {
                Ok(vec![])
            }
            (_, C::Open { .. }) => Err(No::AlreadyOpened),

            (Some(End::CheckedOut(into)), C::CheckOut { order }) if order == into => Ok(vec![]),
            (Some(End::CheckedOut(into)), C::Reopen { order }) if order == into => {
                Ok(vec![E::Reopened { order }])
            }
            (_, C::Reopen { .. }) => Ok(vec![]),
            (Some(End::Abandoned), C::Abandon) => Ok(vec![]),
            (Some(End::CheckedOut(into)), _) => Err(No::CheckedOut(into)),
            (Some(End::Abandoned), _) => Err(No::Abandoned),

            (None, C::SetLine { quantity, .. }) if !(0..=MAX_QUANTITY).contains(&quantity) => {
                Err(No::BadQuantity)
            }
            (None, C::SetLine { sku, quantity }) => match self.lines.get(&sku) {
                None if quantity == 0 => Ok(vec![]),
                None if self.lines.len() >= MAX_LINES => Err(No::Full),
                Some(_) if quantity == 0 => Ok(vec![E::LineRemoved { sku }]),
                Some(&now) if now == quantity => Ok(vec![]),
                None | Some(_) => Ok(vec![E::LineSet { sku, quantity }]),
            },

            (None, C::Assign { customer }) => match self.customer {
                Some(owner) if owner == customer => Ok(vec![]),
                Some(_) => Err(No::AssignedToAnother),
                None => Ok(vec![E::Assigned { customer }]),
            },

            (None, C::CheckOut { .. }) if self.lines.is_empty() => Err(No::Empty),
            (None, C::CheckOut { order }) => Ok(vec![E::CheckedOut {
                order,
                customer: self.customer,
                currency: present,
                lines: self.lines(),
            }]),

            (None, C::Abandon) => Ok(vec![E::Abandoned]),
        }
    }

    fn evolve(&mut self, event: CartEvent) {
        match event {
            CartEvent::Opened { customer, currency } => {
                (self.customer, self.currency) = (customer, Some(currency));
            }
            CartEvent::LineSet { sku, quantity } => _ = self.lines.insert(sku, quantity),
            CartEvent::LineRemoved { sku } => _ = self.lines.remove(&sku),
            CartEvent::Assigned { customer } => self.customer = Some(customer),
            CartEvent::CheckedOut { order, .. } => self.end = Some(End::CheckedOut(order)),
            CartEvent::Reopened { .. } => self.end = None,
            CartEvent::Abandoned => self.end = Some(End::Abandoned),
        }
    }
}

impl Event for CartEvent {}

impl Refusal for CartRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::BadQuantity => Kind::Invalid,
            Self::AlreadyOpened
            | Self::AssignedToAnother
            | Self::CheckedOut(_)
            | Self::Abandoned
            | Self::Empty
            | Self::Full => Kind::Conflict,
        }
    }
}

sourced!(Cart, CartEvent);

#[cfg(test)]
mod tests {
    use super::{CartCommand as C, CartEvent as E, CartRefusal as No, *};
    use crate::kernel::{Given, given};
    use uuid::Uuid;

    const ANN: CustomerId = CustomerId::from_uuid(Uuid::from_u128(1));
    const BEN: CustomerId = CustomerId::from_uuid(Uuid::from_u128(2));
    const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(3));
    const OTHER: OrderId = OrderId::from_uuid(Uuid::from_u128(4));

    fn sku(code: &str) -> Sku {
        code.parse().unwrap()
    }

    fn set(code: &str, quantity: i64) -> C {
        C::SetLine { sku: sku(code), quantity }
    }

    fn line_set(code: &str, quantity: i64) -> E {
        E::LineSet { sku: sku(code), quantity }
    }

    fn opened() -> E {
        E::Opened { customer: None, currency: Currency::EUR }
    }

    fn checked_out(customer: Option<CustomerId>) -> E {
        let lines = vec![CartLine { sku: sku("lamp"), quantity: 2 }];
        E::CheckedOut { order: ORDER, customer, currency: Currency::EUR, lines }
    }

    fn with_a_lamp() -> Given<Cart> {
        given([opened(), line_set("lamp", 2)])
    }

    #[test]
    fn is_opened_once_however_often_it_is_asked() {
        let open = |customer| C::Open { customer, currency: Currency::EUR };
        assert_eq!(given::<Cart>([]).when(open(None)), Ok(vec![opened()]));
        assert_eq!(with_a_lamp().when(open(None)), Ok(vec![]));
        assert_eq!(with_a_lamp().when(open(Some(ANN))), Err(No::AlreadyOpened));
        let dollars = C::Open { customer: None, currency: Currency::USD };
        assert_eq!(with_a_lamp().when(dollars), Err(No::AlreadyOpened));
    }

    #[test]
    fn does_nothing_before_it_is_opened() {
        for command in [set("lamp", 1), C::Assign { customer: ANN }, C::CheckOut { order: ORDER }, C::Abandon]
        {
            assert_eq!(given::<Cart>([]).when(command), Err(No::Unknown));
        }
    }

    #[test]
    fn has_one_line_for_a_sku() {
        let cart = given::<Cart>([opened()]);
        assert_eq!(cart.when(set("lamp", 2)), Ok(vec![line_set("lamp", 2)]));
        assert_eq!(with_a_lamp().when(set("lamp", 2)), Ok(vec![]));
        assert_eq!(with_a_lamp().when(set("lamp", 3)), Ok(vec![line_set("lamp", 3)]));
        assert_eq!(with_a_lamp().and(set("lamp", 3)).0.lines(), [CartLine { sku: sku("lamp"), quantity: 3 }]);
    }

    #[test]
    fn a_quantity_of_nothing_removes_the_line() {
        let gone = E::LineRemoved { sku: sku("lamp") };
        assert_eq!(with_a_lamp().when(set("lamp", 0)), Ok(vec![gone]));
        assert_eq!(with_a_lamp().when(set("chair", 0)), Ok(vec![]));
        assert_eq!(with_a_lamp().and(set("lamp", 0)).0.lines(), []);
    }

    #[test]
    fn takes_only_quantities_that_make_sense() {
        assert_eq!(with_a_lamp().when(set("lamp", -1)), Err(No::BadQuantity));
        assert_eq!(with_a_lamp().when(set("lamp", 10_001)), Err(No::BadQuantity));
        assert_eq!(with_a_lamp().when(set("lamp", 10_000)), Ok(vec![line_set("lamp", 10_000)]));
    }

    #[test]
    fn is_full_at_two_hundred_lines() {
        let lines = (0..200).map(|i| line_set(&format!("sku-{i}"), 1));
        let cart = given::<Cart>([opened()].into_iter().chain(lines));
        assert_eq!(cart.when(set("one-more", 1)), Err(No::Full));
        assert_eq!(cart.when(set("one-more", 0)), Ok(vec![]));
        assert_eq!(cart.when(set("sku-7", 2)), Ok(vec![line_set("sku-7", 2)]));
    }

    #[test]
    fn a_guests_cart_becomes_a_customers_and_stays_theirs() {
        let assign = |customer| C::Assign { customer };
        assert_eq!(with_a_lamp().when(assign(ANN)), Ok(vec![E::Assigned { customer: ANN }]));
        let anns = with_a_lamp().and(assign(ANN));
        assert_eq!(anns.0.customer(), Some(ANN));
        assert_eq!(anns.when(assign(ANN)), Ok(vec![]));
        assert_eq!(anns.when(assign(BEN)), Err(No::AssignedToAnother));
        assert_eq!(anns.when(C::CheckOut { order: ORDER }), Ok(vec![checked_out(Some(ANN))]));
    }

    #[test]
    fn becomes_one_order_and_then_changes_no_more() {
        assert_eq!(with_a_lamp().when(C::CheckOut { order: ORDER }), Ok(vec![checked_out(None)]));
        assert_eq!(given::<Cart>([opened()]).when(C::CheckOut { order: ORDER }), Err(No::Empty));
        let done = with_a_lamp().and(C::CheckOut { order: ORDER });
        assert_eq!(done.0.currency(), Some(Currency::EUR));
        assert_eq!(done.when(C::CheckOut { order: ORDER }), Ok(vec![]));
        for command in [C::CheckOut { order: OTHER }, set("lamp", 1), C::Assign { customer: ANN }, C::Abandon]
        {
            assert_eq!(done.when(command), Err(No::CheckedOut(ORDER)));
        }
    }

    #[test]
    fn is_there_again_when_its_order_comes_to_nothing() {
        let reopen = |order| C::Reopen { order };
        let done = || with_a_lamp().and(C::CheckOut { order: ORDER });
        assert_eq!(done().when(reopen(ORDER)), Ok(vec![E::Reopened { order: ORDER }]));
        assert_eq!(done().when(reopen(OTHER)), Ok(vec![]));
        let again = done().and(reopen(ORDER));
        assert_eq!(again.when(reopen(ORDER)), Ok(vec![]));
        assert!(again.when(set("lamp", 1)).is_ok());
        assert!(again.and(C::CheckOut { order: OTHER }).when(reopen(ORDER)) == Ok(vec![]), "that was before");
        assert_eq!(with_a_lamp().and(C::Abandon).when(reopen(ORDER)), Ok(vec![]));
    }

    #[test]
    fn changes_no_more_once_it_is_abandoned() {
        assert_eq!(with_a_lamp().when(C::Abandon), Ok(vec![E::Abandoned]));
        let left = with_a_lamp().and(C::Abandon);
        assert_eq!(left.when(C::Abandon), Ok(vec![]));
        for command in [C::CheckOut { order: ORDER }, set("lamp", 1), C::Assign { customer: ANN }] {
            assert_eq!(left.when(command), Err(No::Abandoned));
        }
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!(No::Unknown.kind(), Kind::Missing);
        assert_eq!(No::BadQuantity.kind(), Kind::Invalid);
        let conflicts = [
            No::AlreadyOpened,
            No::AssignedToAnother,
            No::CheckedOut(ORDER),
            No::Abandoned,
            No::Empty,
            No::Full,
        ];
        for conflict in conflicts {
            assert_eq!(conflict.kind(), Kind::Conflict);
        }
        assert_eq!(No::CheckedOut(ORDER).as_ref(), "checked_out");
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (opened(), r#"{"type":"Opened","currency":"EUR"}"#),
            (
                E::Opened { customer: Some(ANN), currency: Currency::EUR },
                r#"{"type":"Opened","customer":"cus_00000000000000000000000001","currency":"EUR"}"#,
            ),
            (line_set("lamp", 2), r#"{"type":"LineSet","sku":"lamp","quantity":2}"#),
            (E::LineRemoved { sku: sku("lamp") }, r#"{"type":"LineRemoved","sku":"lamp"}"#),
            (
                E::Assigned { customer: ANN },
                r#"{"type":"Assigned","customer":"cus_00000000000000000000000001"}"#,
            ),
            (
                checked_out(Some(ANN)),
                r#"{"type":"CheckedOut","order":"ord_00000000000000000000000003","customer":"cus_00000000000000000000000001","currency":"EUR","lines":[{"sku":"lamp","quantity":2}]}"#,
            ),
            (
                checked_out(None),
                r#"{"type":"CheckedOut","order":"ord_00000000000000000000000003","currency":"EUR","lines":[{"sku":"lamp","quantity":2}]}"#,
            ),
            (E::Reopened { order: ORDER }, r#"{"type":"Reopened","order":"ord_00000000000000000000000003"}"#),
            (E::Abandoned, r#"{"type":"Abandoned"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
