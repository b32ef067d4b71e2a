//! Edits, by what was and what is asked.

use super::super::examples::*;
use super::super::{CancelReason, Contents, Discount, Item, OrderCommand as C};
use super::*;
use crate::kernel::{Given, given};
use crate::money::Money;

const CONFIRM: C = C::ConfirmEdit { totals_hash: None, settling: None };

fn editing() -> Given<Order> {
    given::<Order>(confirmed()).and(C::BeginEdit)
}

fn set(line: u128, quantity: u32) -> C {
    C::SetQuantity { line: line_id(line), quantity, total: None, tax: None }
}

fn reserve(line: u128, n: u128, quantity: u32) -> C {
    C::RecordReservation { line: line_id(line), reservation: reservation_id(n), quantity }
}

fn pay(amount: i64) -> C {
    C::RecordPayment { payment: payment_id(2), authorised: usd(amount), captured: usd(amount) }
}

fn edited(contents: &Contents, delta: i64, refund: i64, released: Vec<ReservedUnits>) -> E {
    let terms = Box::new(contents.terms().unwrap());
    E::EditConfirmed { delta: usd(delta), refund: usd(refund), shares: vec![], released, terms }
}

#[test]
fn begins_with_what_was_agreed() {
    assert_eq!(given::<Order>(confirmed()).when(C::BeginEdit), Ok(vec![E::EditBegun]));
    assert_eq!(editing().when(C::BeginEdit), Ok(vec![]));
    assert_eq!(editing().0.contents(), Some(&two_lines()));
    let costly = given::<Order>(confirmed_with_shipping()).and(C::BeginEdit).0;
    assert_eq!(costly.contents().unwrap().terms().as_ref(), Ok(costly.terms().unwrap()));
}

#[test]
fn fewer_units_give_back_money_and_stock() {
    let order = editing().and(set(1, 1));
    let lines = vec![Item { quantity: 1, total: usd(1000), ..tea() }, cup()];
    let contents = Contents { lines, ..two_lines() };
    let event = edited(&contents, -2000, 2000, vec![units_of_stock(1, 2)]);
    assert_eq!(order.when(CONFIRM), Ok(vec![event]));
    let order = order.and(CONFIRM);
    assert_eq!(order.0.counters(line_id(1)).unwrap().ordered, 1);
    assert_eq!(order.0.counters(line_id(1)).unwrap().allocated, 1);
    assert_eq!(order.when(CONFIRM), Err(No::NotEditing));
    assert!(order.and(fulfil(1, &[(1, 1), (2, 1)])).when(ship(1)).is_ok(), "it is still paid");
}

#[test]
fn more_units_need_stock_and_money_first() {
    let order = editing().and(set(1, 5));
    let unpaid = No::EditDifferenceUnpaid { owed: usd(6000), held: usd(4000) };
    assert_eq!(order.when(CONFIRM), Err(unpaid));
    let order = order.and(pay(2000));
    assert_eq!(order.when(CONFIRM), Err(No::NotReserved(line_id(1))));
    let order = order.and(reserve(1, 2, 2));
    let lines = vec![Item { quantity: 5, total: usd(5000), ..tea() }, cup()];
    assert_eq!(order.when(CONFIRM), Ok(vec![edited(&Contents { lines, ..two_lines() }, 2000, 0, vec![])]));
}

fn settling(n: u128) -> C {
    let payment_method = Some("ok".into());
    let settling = Settling { payment: payment_id(n), payment_method, expires_at: at(900) };
    C::ConfirmEdit { totals_hash: None, settling: Some(settling) }
}

fn complete(n: u128, captured: Option<i64>, quantity: u32) -> C {
    let reserved = ReservedLine { line: line_id(1), reservation: reservation_id(2), quantity };
    C::CompleteEdit {
        payment: payment_id(n),
        captured: captured.map(usd),
        reserved: if quantity == 0 { vec![] } else { vec![reserved] },
    }
}

fn five_teas() -> Contents {
    let lines = vec![Item { quantity: 5, total: usd(5000), ..tea() }, cup()];
    Contents { lines, ..two_lines() }
}

#[test]
fn what_it_costs_and_takes_more_is_asked_for_and_then_it_holds() {
    let order = editing().and(set(1, 5));
    let wanted =
        |n, stock: Option<crate::ids::StockId>, quantity| WantedUnits { line: line_id(n), stock, quantity };
    let begun = E::EditSettlementBegun {
        payment: payment_id(2),
        customer: customer(),
        amount: usd(2000),
        payment_method: Some("ok".into()),
        lines: vec![wanted(1, Some(stock()), 2), wanted(2, None, 1)],
        totals_hash: five_teas().terms().unwrap().totals_hash,
        expires_at: at(900),
    };
    assert_eq!(order.when(settling(2)), Ok(vec![begun]));
    let order = order.and(settling(2));
    assert_eq!(order.when(settling(3)), Ok(vec![]), "it is under way");
    assert_eq!(order.when(set(1, 4)), Err(No::EditSettling));
    assert_eq!(order.when(complete(3, Some(2000), 2)), Err(No::NotSettling));
    // All of it, or none.
    let unpaid = No::EditDifferenceUnpaid { owed: usd(6000), held: usd(5999) };
    assert_eq!(order.when(complete(2, Some(1999), 2)), Err(unpaid));
    assert_eq!(order.when(complete(2, Some(2000), 1)), Err(No::NotReserved(line_id(1))));
    let units =
        E::StockReserved { line: line_id(1), stock: stock(), reservation: reservation_id(2), quantity: 2 };
    let settled = vec![units, covered(2, 2000, 2000, 6000, 6000), edited(&five_teas(), 2000, 0, vec![])];
    assert_eq!(order.when(complete(2, Some(2000), 2)), Ok(settled));
    let order = order.and(complete(2, Some(2000), 2));
    assert_eq!(order.0.counters(line_id(1)).unwrap().allocated, 5);
    assert_eq!(order.0.settling(), None);
    assert_eq!(order.0.balance().unwrap().held, usd(6000));
}

#[test]
fn what_was_paid_for_it_and_is_not_owed_by_then_is_given_back() {
    let refund = refund_id(1);
    let gift = C::AskRefund {
        refund,
        payment: payment_id(1),
        amount: usd(500),
        giving: super::super::Giving::Back,
        lines: vec![],
    };
    // While it was under way, more was to be paid; it came to nothing.
    let order = editing().and(gift).and(set(1, 5)).and(settling(2)).and(C::EndRefund { refund });
    let events = order.when(complete(2, Some(2500), 2)).unwrap();
    let Some(E::EditConfirmed { refund, shares, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((*refund, shares.len()), (usd(500), 1));
    assert_eq!(order.and(complete(2, Some(2500), 2)).0.balance().unwrap().held, usd(6000));
}

#[test]
fn what_only_takes_more_from_stock_needs_no_payment() {
    let dearer = C::ApplyDiscount(Discount { code: None, amount: usd(2000) });
    let order = editing().and(set(1, 5)).and(dearer);
    let events = order.when(settling(2)).unwrap();
    assert!(
        matches!(&events[..], [E::EditSettlementBegun { amount, payment_method: None, .. }] if amount.is_zero()),
        "{events:?}"
    );
    assert_eq!(order.and(settling(2)).and(complete(2, None, 2)).0.contents(), None);
}

#[test]
fn what_is_not_settled_leaves_the_order_as_it_was_and_the_edit_open() {
    let end = |n, reason| C::EndEditSettlement { payment: payment_id(n), reason };
    let order = editing().and(set(1, 5)).and(settling(2));
    let ended = |reason| E::EditSettlementEnded { payment: payment_id(2), reason };
    assert_eq!(order.when(end(3, Unsettled::Expired)), Ok(vec![]));
    assert_eq!(order.when(end(2, Unsettled::OutOfStock)), Ok(vec![ended(Unsettled::OutOfStock)]));
    let abandoned = E::EditAbandoned { released: vec![] };
    assert_eq!(order.when(C::AbandonEdit), Ok(vec![ended(Unsettled::Withdrawn), abandoned]));
    let events = order.when(C::Cancel { reason: CancelReason::Customer }).unwrap();
    assert_eq!(events[0], ended(Unsettled::Withdrawn));
    assert!(matches!(events[1], E::Cancelled { refund, .. } if refund == usd(4000)));
    let order = order.and(end(2, Unsettled::OutOfStock));
    assert_eq!(order.when(end(2, Unsettled::OutOfStock)), Ok(vec![]));
    assert_eq!(order.0.balance().unwrap().held, usd(4000));
    assert!(order.and(set(1, 3)).when(CONFIRM).is_ok());
}

#[test]
fn money_of_a_settlement_that_came_to_nothing_is_never_held() {
    let undo = || C::UndoPayment { payment: payment_id(2), refund: refund_id(9), amount: usd(2000) };
    let order = editing().and(set(1, 5)).and(settling(2)).and(C::AbandonEdit);
    let undone = E::PaymentUndone { payment: payment_id(2), refund: refund_id(9), amount: usd(2000) };
    assert_eq!(order.when(undo()), Ok(vec![covered(2, 2000, 2000, 6000, 6000), undone]));
    let order = order.and(undo());
    assert_eq!(order.when(undo()), Ok(vec![]));
    assert_eq!(order.0.balance().unwrap().held, usd(4000));
    let paid_out = C::RecordRefund { refund: refund_id(9), payment: payment_id(2), amount: usd(2000) };
    assert_eq!(order.and(paid_out).0.balance().unwrap().held, usd(4000));
}

#[test]
fn what_was_paid_in_parts_is_given_back_from_those_parts() {
    let order = editing().and(set(1, 5)).and(settling(2)).and(complete(2, Some(2000), 2));
    let shares = |order: &Given<Order>, command| match &order.when(command).unwrap()[..] {
        [E::Cancelled { shares, .. }] | [E::LinesCancelled { shares, .. }, ..] => {
            shares.iter().map(|of| (of.payment, of.amount)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let cancel = C::Cancel { reason: CancelReason::Customer };
    let both = vec![(payment_id(1), usd(4000)), (payment_id(2), usd(2000))];
    assert_eq!(shares(&order, cancel.clone()), both);
    assert_eq!(shares(&order, cancel_lines(&[(1, 1)])), [(payment_id(1), usd(1000))]);
    let order = order.and(cancel_lines(&[(1, 3)]));
    let by_hand = C::AskRefund {
        refund: refund_id(1),
        payment: payment_id(1),
        amount: usd(1001),
        giving: super::super::Giving::Away,
        lines: vec![],
    };
    assert_eq!(order.when(by_hand), Err(No::ExceedsHeld(usd(1000))), "the first payment has no more");
    assert_eq!(
        shares(&order, cancel_lines(&[(1, 2)])),
        [(payment_id(1), usd(1000)), (payment_id(2), usd(1000))]
    );
}

#[test]
fn money_about_to_be_given_back_pays_for_no_edit() {
    let order = editing().and(set(1, 2)).and(CONFIRM).and(C::BeginEdit).and(set(1, 3)).and(reserve(1, 2, 1));
    let unpaid = No::EditDifferenceUnpaid { owed: usd(4000), held: usd(3000) };
    assert_eq!(order.when(CONFIRM), Err(unpaid));
    assert!(order.and(pay(1000)).when(CONFIRM).is_ok());
}

#[test]
fn a_line_comes_and_a_line_goes() {
    let new = Item { stock: Some(stock()), ..item(3, "POT-1", 1, 1000) };
    let order = editing().and(C::RemoveLine { line: line_id(2) }).and(C::AddLine(new.clone()));
    assert_eq!(order.when(CONFIRM), Err(No::NotReserved(line_id(3))));
    let order = order.and(reserve(3, 2, 1));
    let contents = Contents { lines: vec![tea(), new], ..two_lines() };
    assert_eq!(order.when(CONFIRM), Ok(vec![edited(&contents, 0, 0, vec![])]));
    assert_eq!(order.when(C::AddLine(cup())), Err(No::LineExists(line_id(2))), "ids are not used again");
}

#[test]
fn abandoned_it_leaves_all_as_it_was() {
    let before = given::<Order>(confirmed()).0;
    let order = editing().and(set(1, 5)).and(reserve(1, 2, 2));
    let released = vec![units_of_stock(2, 2)];
    assert_eq!(order.when(C::AbandonEdit), Ok(vec![E::EditAbandoned { released }]));
    let order = order.and(C::AbandonEdit);
    assert_eq!(order.when(C::AbandonEdit), Ok(vec![]));
    assert_eq!(order.0.terms(), before.terms());
    assert_eq!(order.0.units(), before.units());
    assert_eq!(order.when(set(1, 5)), Err(No::NotOpen));
}

#[test]
fn nothing_is_fulfilled_or_partly_cancelled_meanwhile() {
    assert_eq!(editing().when(fulfil(1, &[(1, 1)])), Err(No::Editing));
    let lines = C::CancelLines { lines: units(&[(1, 1)]), reason: CancelReason::Seller };
    assert_eq!(editing().when(lines), Err(No::Editing));
}

#[test]
fn the_order_may_still_be_cancelled_with_all_that_was_reserved() {
    let order = editing().and(set(1, 5)).and(reserve(1, 2, 2));
    let events = order.when(C::Cancel { reason: CancelReason::Customer }).unwrap();
    let [E::Cancelled { released, refund, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(released, &[units_of_stock(2, 2), units_of_stock(1, 3)]);
    assert_eq!(*refund, usd(4000));
    assert_eq!(order.and(C::Cancel { reason: CancelReason::Customer }).when(CONFIRM), Err(No::Cancelled));
}

#[test]
fn totals_the_customer_did_not_see_do_not_hold() {
    let hash = Some("0".repeat(64));
    let refused = editing().when(C::ConfirmEdit { totals_hash: hash, settling: None });
    assert_eq!(refused, Err(No::TotalsChanged(two_lines().terms().unwrap().totals_hash)));
    let costs_less_than_nothing = C::ApplyDiscount(Discount { code: None, amount: usd(4001) });
    assert_eq!(editing().and(costs_less_than_nothing).when(CONFIRM), Err(No::DiscountTooLarge));
}

fn refund_of(order: &Given<Order>, command: C) -> Money {
    match &order.when(command).unwrap()[..] {
        [E::EditConfirmed { refund, .. }] | [E::LinesCancelled { refund, .. }, ..] => *refund,
        other => panic!("{other:?}"),
    }
}

fn cancel_lines(lines: &[(u128, u32)]) -> C {
    C::CancelLines { lines: units(lines), reason: CancelReason::Seller }
}

/// A paid order of these contents.
fn paid_for(contents: &Contents) -> Given<Order> {
    let total = contents.terms().unwrap().total;
    let submission = super::super::Submission { contents: contents.clone(), ..submission() };
    let payment = payment_id(1);
    given::<Order>([])
        .and(C::Submit(Box::new(submission)))
        .and(C::RecordPayment { payment, authorised: total, captured: total })
        .and(C::Confirm { basis: Basis::Captured })
}

#[test]
fn takes_along_the_tax_of_what_goes_as_cancelling_it_does() {
    let five = Item { unit_price: Some(usd(1000)), tax: Some(usd(1000)), ..item(1, "TEA", 5, 5000) };
    let order = paid_for(&Contents { lines: vec![five], ..two_lines() });
    assert_eq!(refund_of(&order, cancel_lines(&[(1, 4)])), usd(4800));
    let edited = order.and(C::BeginEdit).and(set(1, 1));
    assert_eq!(edited.0.totals().unwrap().tax, usd(200));
    assert_eq!(refund_of(&edited, CONFIRM), usd(4800));
    // By steps it comes to the same, and back to what it was.
    let steps = edited.and(set(1, 3)).and(set(1, 5)).and(set(1, 1));
    assert_eq!(refund_of(&steps, CONFIRM), usd(4800));
    let told = C::SetQuantity { line: line_id(1), quantity: 1, total: None, tax: Some(usd(1000)) };
    assert_eq!(refund_of(&Given(steps.0.clone()).and(told), CONFIRM), usd(4000), "unless another is given");
    assert_eq!(steps.and(set(1, 10)).0.totals().unwrap().tax, usd(2000), "more units, more tax");
}

#[test]
fn takes_along_the_discount_of_what_goes_as_cancelling_it_does() {
    let off = Some(Discount { code: Some("TEN".into()), amount: usd(1000) });
    let lines = vec![item(1, "TEA", 1, 6000), item(2, "CUP", 1, 4000)];
    let order = paid_for(&Contents { lines, discount: off, ..two_lines() });
    assert_eq!(refund_of(&order, cancel_lines(&[(1, 1)])), usd(5400));
    let remove = C::RemoveLine { line: line_id(1) };
    let edited = order.and(C::BeginEdit).and(remove);
    assert_eq!(refund_of(&edited, CONFIRM), usd(5400));
    let terms = edited.0.totals().unwrap();
    assert_eq!((terms.discount, terms.discount_code.as_deref()), (usd(400), Some("TEN")));
}

#[test]
fn gives_back_all_of_it_after_a_gift() {
    let gift = C::AskRefund {
        refund: crate::ids::RefundId::from_uuid(uuid::Uuid::from_u128(1)),
        payment: payment_id(1),
        amount: usd(100),
        giving: super::super::Giving::Away,
        lines: vec![],
    };
    let order = given::<Order>(confirmed()).and(gift);
    assert_eq!(refund_of(&Given(order.0.clone()).and(C::BeginEdit).and(set(1, 2)), CONFIRM), usd(1000));
    let unchanged = order.and(C::BeginEdit);
    assert_eq!(refund_of(&unchanged, CONFIRM), usd(0), "an edit that changes no price is no debt");
}

proptest::proptest! {
    #[test]
    fn one_wish_has_one_answer(
        lines in proptest::collection::vec((1u32..8, 0i64..2000, 0i64..900), 1..5),
        (off, tax, ship) in (0i64..1000, 0i64..700, 0i64..500),
        (which, keep) in (0usize..5, 0u32..8),
    ) {
        let item = |(n, &(quantity, price, tax)): (u128, &(u32, i64, i64))| Item {
            unit_price: Some(usd(price)),
            tax: Some(usd(tax)),
            ..item(n, "THING", quantity, price * i64::from(quantity))
        };
        let contents = Contents {
            lines: (1..).zip(&lines).map(item).collect(),
            discount: Some(Discount { code: None, amount: usd(off) }),
            shipping: Some(super::super::Shipping { method: None, amount: usd(ship) }),
            tax: Some(usd(tax)),
            ..two_lines()
        };
        proptest::prop_assume!(contents.terms().is_ok());
        let which = which % lines.len();
        let (line, all) = (which as u128 + 1, lines[which].0);
        let keep = keep % all;
        // The last line is not taken out by an edit: the order is cancelled.
        proptest::prop_assume!(keep > 0 || lines.len() > 1);
        let order = paid_for(&contents);
        let by_cancelling = refund_of(&order, cancel_lines(&[(line, all - keep)]));
        let change = if keep == 0 { C::RemoveLine { line: line_id(line) } } else { set(line, keep) };
        let by_editing = refund_of(&order.and(C::BeginEdit).and(change), CONFIRM);
        proptest::prop_assert_eq!(by_editing, by_cancelling);
    }
}

#[test]
fn is_for_confirmed_orders_of_which_nothing_is_gone() {
    assert_eq!(given::<Order>([placed()]).when(C::BeginEdit), Err(No::NotConfirmed));
    let packed = given::<Order>(confirmed()).and(fulfil(1, &[(1, 1)]));
    assert_eq!(packed.when(C::BeginEdit), Err(No::AlreadyFulfilled));
    let less = C::CancelLines { lines: units(&[(1, 1)]), reason: CancelReason::Seller };
    assert_eq!(given::<Order>(confirmed()).and(less).when(C::BeginEdit), Err(No::LinesCancelled));
    let done = given::<Order>(completed());
    assert_eq!(done.when(C::BeginEdit), Err(No::Completed));
}
