//! Deeds: what a person does with an order, or leaves undone because it is refused.

use proptest::prelude::*;
use uuid::Uuid;

use super::{line, usd};
use crate::commerce::order::{
    CancelReason, Condition, Contents, Discount, Giving, Item, OrderCommand, Shipping, Units,
};
use crate::finance::refund::RefundCommand;
use crate::ids::{FulfilmentId, LineId, ReturnId};
use crate::money::Currency;

/// What a person does, or leaves undone because it is refused.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Order(OrderCommand),
    /// The open edit is to hold, paid by card where it costs more.
    ConfirmEdit,
    /// Units of a line are set aside that have to leave once more.
    Reserve {
        line: LineId,
        quantity: u32,
    },
    Ask {
        amount: i64,
        giving: Giving,
    },
    /// A person decides on the nth refund.
    Decide {
        refund: usize,
        command: RefundCommand,
    },
    /// Somebody is slow: so many messages are delivered, the nth of those that wait at each turn.
    Deliver(Vec<u8>),
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    use OrderCommand as O;
    let units = || {
        prop::collection::vec((1u128..4, 1u32..4), 1..3).prop_map(|lines| {
            let units = lines.into_iter().map(|(n, quantity)| Units { line: line(n), quantity });
            units.collect::<Vec<_>>()
        })
    };
    let parcel = || (1u128..4).prop_map(|n| FulfilmentId::from_uuid(Uuid::from_u128(n)));
    let back = || (1u128..3).prop_map(|n| ReturnId::from_uuid(Uuid::from_u128(n)));
    let reason = CancelReason::Customer;
    let orders = prop_oneof![
        2 => units().prop_map(move |lines| O::CancelLines { lines, reason }),
        1 => Just(O::Cancel { reason }),
        2 => Just(O::BeginEdit),
        3 => (1u128..4, 1u32..5).prop_map(|(n, quantity)| O::SetQuantity {
            line: line(n),
            quantity,
            total: None,
            tax: None
        }),
        1 => (1u128..4).prop_map(|n| O::RemoveLine { line: line(n) }),
        1 => Just(O::AbandonEdit),
        1 => parcel().prop_map(|fulfilment| O::LoseParcel { fulfilment }),
        1 => parcel().prop_map(|fulfilment| O::TakeParcelBack { fulfilment, condition: Condition::Damaged }),
        3 => (parcel(), units()).prop_map(|(fulfilment, lines)| O::Fulfil {
            fulfilment,
            lines,
            override_unpaid: None
        }),
        3 => parcel().prop_map(|fulfilment| O::Ship { fulfilment, carrier: None, tracking: None }),
        3 => parcel().prop_map(|fulfilment| O::Deliver { fulfilment }),
        3 => (back(), units()).prop_map(|(return_id, lines)| O::RequestReturn {
            return_id,
            lines,
            reason: None
        }),
        4 => (back(), 1u128..4, 1u32..4, any::<bool>()).prop_map(|(return_id, n, quantity, refund_shipping)| O::ReceiveReturn {
            return_id,
            line: line(n),
            quantity,
            condition: Condition::Good,
            refund_shipping
        }),
    ];
    let givings = prop::sample::select(vec![Giving::Back, Giving::Away]);
    let decisions = prop_oneof![
        2 => Just(RefundCommand::Retry),
        2 => Just(RefundCommand::Reject { code: "not_owed".into() }),
        1 => Just(RefundCommand::Cancel),
    ];
    prop_oneof![
        7 => orders.prop_map(Deed::Order),
        2 => Just(Deed::ConfirmEdit),
        1 => (1u32..4).prop_map(|quantity| Deed::Reserve { line: line(1), quantity }),
        3 => (1i64..6000, givings).prop_map(|(amount, giving)| Deed::Ask { amount, giving }),
        2 => (0usize..6, decisions).prop_map(|(refund, command)| Deed::Decide { refund, command }),
        4 => prop::collection::vec(any::<u8>(), 1..8).prop_map(Deed::Deliver),
    ]
}

pub(super) fn contents() -> impl Strategy<Value = Contents> {
    let lines = prop::array::uniform3((1u32..5, 100i64..1000, prop::option::of(0i64..300)));
    (lines, 0i64..300, 0i64..500, prop::option::of(0i64..200)).prop_map(|(lines, off, ship, tax)| {
        let item = |(n, (quantity, price, tax)): (u128, (u32, i64, Option<i64>))| Item {
            line: line(n),
            stock: (n == 1).then(|| "THING@main".parse().unwrap()),
            sku: "THING".parse().unwrap(),
            title: "Thing".into(),
            quantity,
            unit_price: Some(usd(price)),
            total: usd(price * i64::from(quantity)),
            tax: tax.map(usd),
        };
        Contents {
            lines: (1..).zip(lines).map(item).collect(),
            discount: Some(Discount { code: None, amount: usd(off) }),
            shipping: Some(Shipping { method: None, amount: usd(ship) }),
            tax: tax.map(usd),
            ..Contents::new(Currency::USD)
        }
    })
}
