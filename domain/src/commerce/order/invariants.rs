//! Invariants: what holds of an order whatever is asked of it, in whatever order.

use proptest::prelude::*;

use super::examples::*;
use super::*;

/// Small numbers, so that commands meet each other's lines, parcels and returns.
fn command() -> impl Strategy<Value = OrderCommand> {
    use OrderCommand as C;
    let line = || (1u128..4).prop_map(line_id);
    let few = || prop::collection::vec((1u128..4, 1u32..4), 1..3).prop_map(|lines| units(&lines));
    let parcel = || (1u128..4).prop_map(fulfilment_id);
    let coming_back = || (1u128..3).prop_map(return_id);
    let reason = || prop::sample::select(vec![CancelReason::Customer, CancelReason::OutOfStock]);
    let bases = vec![Basis::Captured, Basis::Authorised, Basis::CreditTerms, Basis::Recorded];
    let told = prop_oneof![
        4 => (line(), 1u128..5, 1u32..5).prop_map(|(line, n, quantity)| C::RecordReservation {
            line,
            reservation: reservation_id(n),
            quantity
        }),
        4 => (1u128..3, 0i64..6000, 0i64..6000).prop_map(|(n, held, taken)| C::RecordPayment {
            payment: payment_id(n),
            authorised: usd(held.max(taken)),
            captured: usd(taken)
        }),
        1 => (1u128..4, 1i64..3000).prop_map(|(n, amount)| C::RecordRefund {
            refund: refund_id(n),
            payment: payment_id(1),
            amount: usd(amount)
        }),
        2 => (1u128..4, 1i64..3000, prop::sample::select(vec![Giving::Back, Giving::Away])).prop_map(
            |(n, amount, giving)| C::AskRefund {
                refund: refund_id(n),
                payment: payment_id(1),
                amount: usd(amount),
                giving,
                lines: vec![]
            }
        ),
        1 => (1u128..4).prop_map(|n| C::EndRefund { refund: refund_id(n) }),
        1 => (1u128..4).prop_map(|n| C::ReverseRefund { refund: refund_id(n) }),
        2 => (0i64..3).prop_map(|n| C::RecordCarrierFact(CarrierFact {
            kind: CarrierFactKind::Delivered,
            at: at(n),
            fulfilment: None,
            tracking: None
        })),
    ];
    let moved = prop_oneof![
        3 => (parcel(), few(), prop::option::of(Just("a friend".to_owned()))).prop_map(
            |(fulfilment, lines, override_unpaid)| C::Fulfil { fulfilment, lines, override_unpaid }
        ),
        1 => parcel().prop_map(|fulfilment| C::CancelFulfilment { fulfilment }),
        4 => parcel().prop_map(|fulfilment| C::Ship { fulfilment, carrier: None, tracking: None }),
        4 => parcel().prop_map(|fulfilment| C::Deliver { fulfilment }),
        3 => (coming_back(), few()).prop_map(|(return_id, lines)| C::RequestReturn {
            return_id,
            lines,
            reason: None
        }),
        3 => (coming_back(), line(), 1u32..4).prop_map(|(return_id, line, quantity)| C::ReceiveReturn {
            return_id,
            line,
            quantity,
            condition: Condition::Damaged, refund_shipping: false
        }),
        1 => coming_back().prop_map(|return_id| C::DismissReturn { return_id, reason: None }),
    ];
    let changed = prop_oneof![
        6 => prop::sample::select(bases).prop_map(|basis| C::Confirm { basis }),
        2 => (few(), reason()).prop_map(|(lines, reason)| C::CancelLines { lines, reason }),
        1 => reason().prop_map(|reason| C::Cancel { reason }),
        1 => Just(C::Expire { at: at(200) }),
        2 => Just(C::BeginEdit),
        2 => Just(C::ConfirmEdit { totals_hash: None, settling: None }),
        1 => Just(C::AbandonEdit),
        4 => (line(), 1u32..6, 0i64..4000).prop_map(|(line, quantity, total)| C::SetQuantity {
            line,
            quantity,
            total: Some(usd(total)),
            tax: None
        }),
        1 => line().prop_map(|line| C::RemoveLine { line }),
    ];
    prop_oneof![2 => told, 6 => moved, 2 => changed]
}

fn order() -> impl Strategy<Value = OrderCommand> {
    let settlements = vec![Settlement::Checkout, Settlement::CreditTerms, Settlement::Recorded];
    let amounts = (0i64..500, 0i64..500, 0i64..500);
    let totals = prop::array::uniform3((1u32..5, 200i64..2000));
    (prop::sample::select(settlements), totals, amounts).prop_map(|(settlement, lines, (off, tax, ship))| {
        let line = |(n, &(quantity, total)): (u128, &(u32, i64))| Item {
            stock: (n == 1).then(stock),
            ..item(n, "THING", quantity, total)
        };
        OrderCommand::Submit(Box::new(Submission {
            contents: Contents {
                lines: (1..).zip(&lines).map(line).collect(),
                discount: Some(Discount { code: None, amount: usd(off) }),
                shipping: Some(Shipping { method: None, amount: usd(ship) }),
                tax: Some(usd(tax)),
                ..two_lines()
            },
            placing: Placing { settlement, ..placing() },
            ..submission()
        }))
    })
}

/// The way to a confirmed order, and on to one that is delivered whole, that random commands then start from.
fn so_far(submit: &OrderCommand, steps: usize) -> Vec<OrderCommand> {
    use OrderCommand as C;
    let C::Submit(submission) = submit else { return vec![] };
    let all = submission.contents.lines.iter();
    let lines = all.map(|item| Units { line: item.line, quantity: item.quantity }).collect();
    let steps_of_life = [
        C::RecordReservation { line: line_id(1), reservation: reservation_id(9), quantity: 5 },
        C::RecordPayment { payment: payment_id(9), authorised: usd(10_000), captured: usd(10_000) },
        C::Confirm { basis: Basis::Captured },
        C::Fulfil { fulfilment: fulfilment_id(9), lines, override_unpaid: None },
        C::Ship { fulfilment: fulfilment_id(9), carrier: None, tracking: None },
        C::Deliver { fulfilment: fulfilment_id(9) },
    ];
    steps_of_life.into_iter().take(steps).collect()
}

fn holds(order: &Order) {
    let Some(agreed) = &order.agreed else { return };
    for line in &agreed.terms.lines {
        let units = agreed.counters[&line.line];
        assert!(units.delivered <= units.shipped && units.shipped <= units.fulfilled, "{units:?}");
        assert!(units.fulfilled + units.cancelled <= units.ordered, "{units:?}");
        assert!(units.return_received + units.return_dismissed <= units.return_requested, "{units:?}");
        assert!(units.return_requested - units.return_dismissed <= units.delivered, "{units:?}");
        assert!(units.written_off <= units.return_received, "{units:?}");
        let credited = agreed.credited.get(&line.line).map_or(0, |credited| credited.amount);
        assert!((0..=line.amount.amount).contains(&credited), "{credited} of {line:?}");
    }
    assert!((0..=agreed.terms.total.amount).contains(&agreed.total_credited.amount));
    let balance = agreed.balance();
    assert!(
        [balance.owed, balance.held, balance.given_back, balance.given_away].iter().all(|f| !f.is_negative())
    );
    assert!(agreed.reservations.values().flatten().all(|held| held.quantity <= 5));
    in_the_books(order, agreed);
}

/// No figure is below 0, no more is earned than is sold, and all that is sold once all of it has left.
fn in_the_books(order: &Order, agreed: &state::Agreed) {
    let books = order.books().expect("it is placed");
    let Books { goods, shipping, tax, given_away, owing, unclear } = books;
    let figures = [goods, shipping, tax, given_away, owing, unclear];
    assert!(figures.iter().all(|figure| !figure.is_negative()), "{books:?}");
    let (earned, due) = (goods.amount + shipping.amount + tax.amount, agreed.due().amount);
    assert!(earned <= due && given_away.amount <= due, "{books:?} of {due}");
    let units = agreed.units();
    if units.due() > 0 && units.shipped == units.due() {
        assert_eq!(earned, due, "{books:?}");
    }
}

/// Nothing leaves unpaid, unless it was overridden or is on credit.
fn shipped_lawfully(before: &Order, event: &OrderEvent) {
    let (OrderEvent::Shipped { fulfilment, .. }, Some(agreed)) = (event, &before.agreed) else { return };
    let on_credit = matches!(agreed.basis, Some(Basis::CreditTerms | Basis::Recorded));
    let overridden = agreed.fulfilments[fulfilment].overridden;
    let balance = agreed.balance();
    assert!(on_credit || overridden || balance.held.amount >= balance.owed.amount);
}

/// Asked again at once, it has taken effect already.
fn repeats_decide_nothing(command: &OrderCommand) -> bool {
    use OrderCommand as C;
    !matches!(
        command,
        C::RemoveLine { .. } | C::CancelLines { .. } | C::ReceiveReturn { .. } | C::ConfirmEdit { .. }
    )
}

proptest! {
    #[test]
    fn counters_money_and_closed_orders_are_kept_whatever_is_asked(
        submit in order(),
        steps in prop::sample::select(vec![0usize, 3, 6]),
        commands in prop::collection::vec(command(), 1..120),
    ) {
        let mut order = Order::default();
        let mut log = Vec::new();
        let start = so_far(&submit, steps);
        for command in [submit].into_iter().chain(start).chain(commands) {
            let Ok(events) = order.decide(command.clone()) else { continue };
            let before = order.clone();
            for event in events {
                shipped_lawfully(&order, &event);
                log.push(serde_json::to_string(&event).unwrap());
                order.evolve(event);
                holds(&order);
            }
            if matches!(before.phase, Some(Phase::Cancelled | Phase::Expired)) {
                prop_assert_eq!(before.phase, order.phase);
            }
            if repeats_decide_nothing(&command) && order.phase == before.phase {
                prop_assert_eq!(order.decide(command), Ok(vec![]));
            }
        }
        let mut replayed = Order::default();
        for event in &log {
            replayed.evolve(serde_json::from_str(event).unwrap());
        }
        prop_assert_eq!(&replayed, &order);
        let remembered = serde_json::to_string(&order).unwrap();
        prop_assert_eq!(serde_json::from_str::<Order>(&remembered).unwrap(), order);
    }
}
