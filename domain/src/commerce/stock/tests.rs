//! What stock decides, arm by arm, and its events as they lie on disk.

use super::{StockCommand as C, StockEvent as E, StockRefusal as No, *};
use crate::kernel::{Given, given};
use uuid::Uuid;

const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(1));
const LINE: LineId = LineId::from_uuid(Uuid::from_u128(2));
const FULFILMENT: FulfilmentId = FulfilmentId::from_uuid(Uuid::from_u128(3));
const RETURN: ReturnId = ReturnId::from_uuid(Uuid::from_u128(4));

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn id(number: u128) -> ReservationId {
    ReservationId::from_uuid(Uuid::from_u128(number))
}

/// Set aside at second 0, until second 60.
fn terms(number: u128, quantity: i64) -> Reservation {
    Reservation {
        reservation: id(number),
        order: ORDER,
        line: LINE,
        quantity,
        expires_at: at(60),
        backorder: false,
        at: at(0),
    }
}

fn on_backorder(number: u128, quantity: i64) -> Reservation {
    Reservation { backorder: true, ..terms(number, quantity) }
}

fn release(number: u128) -> C {
    C::Release { reservation: id(number) }
}

fn expire(number: u128, second: i64) -> C {
    C::Expire { reservation: id(number), at: at(second) }
}

fn commit(number: u128, second: i64) -> C {
    C::Commit { reservation: id(number), at: at(second) }
}

fn release_committed(number: u128, quantity: i64) -> C {
    C::ReleaseCommitted { reservation: id(number), quantity }
}

fn ship_with(fulfilment: u128, number: u128, quantity: i64) -> C {
    C::Ship {
        reservation: id(number),
        fulfilment: FulfilmentId::from_uuid(Uuid::from_u128(fulfilment)),
        quantity,
    }
}

fn ship(number: u128, quantity: i64) -> C {
    ship_with(3, number, quantity)
}

fn take_back(quantity: i64, condition: Condition) -> C {
    C::Return { order: ORDER, line: LINE, return_id: RETURN, quantity, condition }
}

fn adjust(delta: i64) -> C {
    C::Adjust { delta, reason: "counted".into() }
}

fn ten() -> Given<Stock> {
    given([E::Received { quantity: 10 }])
}

/// Ten on hand, four of them reserved as 1.
fn reserved() -> Given<Stock> {
    ten().and(C::Reserve(terms(1, 4)))
}

fn committed() -> Given<Stock> {
    reserved().and(commit(1, 59))
}

fn released() -> Given<Stock> {
    reserved().and(release(1))
}

fn expired() -> Given<Stock> {
    reserved().and(expire(1, 60))
}

#[test]
fn is_set_aside_for_good_at_once_or_not_at_all() {
    let committed = E::Committed { reservation: id(1), order: ORDER, line: LINE, quantity: 4 };
    assert_eq!(ten().when(C::Allocate(terms(1, 4))), Ok(vec![E::Reserved(terms(1, 4)), committed]));
    assert_eq!(ten().and(C::Allocate(terms(1, 4))).when(C::Allocate(terms(1, 4))), Ok(vec![]));
    assert_eq!(ten().when(C::Allocate(terms(1, 11))), Err(No::InsufficientStock { available: 10 }));
    assert!(ten().and(C::Allocate(terms(1, 4))).when(ship(1, 4)).is_ok());
}

#[test]
fn is_received_in_quantities_that_make_sense() {
    assert_eq!(given::<Stock>([]).when(C::Receive { quantity: 3 }), Ok(vec![E::Received { quantity: 3 }]));
    for quantity in [0, -1, i64::MIN, MAX_QUANTITY + 1] {
        assert_eq!(ten().when(C::Receive { quantity }), Err(No::BadQuantity));
    }
    let full = given::<Stock>([E::Received { quantity: i64::MAX }]);
    assert_eq!(full.when(C::Receive { quantity: 1 }), Err(No::Overflow));
}

#[test]
fn what_is_reserved_cannot_be_had_by_another() {
    assert_eq!(ten().when(C::Reserve(terms(1, 4))), Ok(vec![E::Reserved(terms(1, 4))]));
    assert_eq!(reserved().0.available(), 6);
    assert_eq!(reserved().when(C::Reserve(terms(2, 6))), Ok(vec![E::Reserved(terms(2, 6))]));
    assert_eq!(reserved().when(C::Reserve(terms(2, 7))), Err(No::InsufficientStock { available: 6 }));
    assert_eq!(committed().when(C::Reserve(terms(2, 7))), Err(No::InsufficientStock { available: 6 }));
    assert_eq!(given::<Stock>([]).when(C::Reserve(terms(1, 1))), Err(No::InsufficientStock { available: 0 }));
}

#[test]
fn a_reservation_has_a_quantity_and_a_term() {
    assert_eq!(ten().when(C::Reserve(terms(1, 0))), Err(No::BadQuantity));
    for expires_at in [at(0), at(-1), at(0) + TimeDelta::days(90) + TimeDelta::seconds(1)] {
        let bad = Reservation { expires_at, ..terms(1, 4) };
        assert_eq!(ten().when(C::Reserve(bad)), Err(No::BadExpiry));
    }
    let longest = Reservation { expires_at: at(0) + TimeDelta::days(90), ..terms(1, 4) };
    assert_eq!(ten().when(C::Reserve(longest.clone())), Ok(vec![E::Reserved(longest)]));
}

#[test]
fn the_same_reservation_is_made_once() {
    let later = Reservation { at: at(5), ..terms(1, 4) };
    for stock in [reserved(), committed(), released(), expired(), committed().and(ship(1, 4))] {
        assert_eq!(stock.when(C::Reserve(terms(1, 4))), Ok(vec![]));
        assert_eq!(stock.when(C::Reserve(later.clone())), Ok(vec![]));
    }
    for other in [terms(1, 5), on_backorder(1, 4), Reservation { expires_at: at(61), ..terms(1, 4) }] {
        assert_eq!(reserved().when(C::Reserve(other)), Err(No::ReservationTaken));
    }
}

#[test]
fn a_backorder_is_reserved_beyond_what_is_on_hand() {
    let stock = ten().and(C::Reserve(on_backorder(1, 15)));
    assert_eq!(stock.0.available(), -5);
    assert_eq!(stock.when(C::Reserve(terms(2, 1))), Err(No::InsufficientStock { available: 0 }));
    let filled = stock.and(C::Receive { quantity: 6 });
    assert_eq!(filled.when(C::Reserve(terms(2, 1))), Ok(vec![E::Reserved(terms(2, 1))]));
}

#[test]
fn no_more_can_be_held_than_can_be_counted() {
    let most = E::Reserved(on_backorder(1, i64::MAX));
    assert_eq!(given::<Stock>([most]).when(C::Reserve(on_backorder(2, 1))), Err(No::Overflow));
}

#[test]
fn a_released_reservation_is_available_again() {
    let gone = E::Released { reservation: id(1), order: ORDER, line: LINE, quantity: 4 };
    assert_eq!(reserved().when(release(1)), Ok(vec![gone]));
    assert_eq!(released().0.available(), 10);
    assert_eq!(released().when(release(1)), Ok(vec![]));
    assert_eq!(expired().when(release(1)), Ok(vec![]));
    assert_eq!(committed().when(release(1)), Err(No::AlreadyCommitted));
    assert_eq!(reserved().when(release(2)), Err(No::UnknownReservation));
}

#[test]
fn a_reservation_expires_when_its_time_has_come_and_not_before() {
    assert_eq!(reserved().when(expire(1, 59)), Err(No::NotYetDue(at(60))));
    let gone = E::Expired { reservation: id(1), order: ORDER, line: LINE, quantity: 4 };
    assert_eq!(reserved().when(expire(1, 60)), Ok(vec![gone]));
    assert_eq!(expired().0.available(), 10);
    assert_eq!(expired().when(expire(1, 61)), Ok(vec![]));
    assert_eq!(released().when(expire(1, 61)), Ok(vec![]));
    assert_eq!(committed().when(expire(1, 61)), Err(No::AlreadyCommitted));
    assert_eq!(reserved().when(expire(2, 61)), Err(No::UnknownReservation));
}

#[test]
fn a_reservation_is_committed_only_while_it_runs() {
    let kept = E::Committed { reservation: id(1), order: ORDER, line: LINE, quantity: 4 };
    assert_eq!(reserved().when(commit(1, 59)), Ok(vec![kept]));
    assert_eq!(reserved().when(commit(1, 60)), Err(No::ReservationExpired));
    assert_eq!(committed().0.available(), 6);
    assert_eq!(committed().when(commit(1, 61)), Ok(vec![]));
    assert_eq!(released().when(commit(1, 1)), Err(No::ReservationReleased));
    assert_eq!(expired().when(commit(1, 1)), Err(No::ReservationExpired));
    assert_eq!(reserved().when(commit(2, 1)), Err(No::UnknownReservation));
}

#[test]
fn cancelled_lines_give_committed_units_back() {
    let gone = E::CommitmentReleased { reservation: id(1), order: ORDER, line: LINE, quantity: 3 };
    assert_eq!(committed().when(release_committed(1, 3)), Ok(vec![gone]));
    let one_left = committed().and(release_committed(1, 3));
    assert_eq!(one_left.0.available(), 9);
    assert_eq!(one_left.when(release_committed(1, 2)), Err(No::MoreThanCommitted { outstanding: 1 }));
    assert_eq!(one_left.and(release_committed(1, 1)).0.available(), 10);

    assert_eq!(committed().when(release_committed(1, 0)), Err(No::BadQuantity));
    assert_eq!(reserved().when(release_committed(1, 1)), Err(No::NotCommitted));
    assert_eq!(released().when(release_committed(1, 1)), Err(No::ReservationReleased));
    assert_eq!(expired().when(release_committed(1, 1)), Err(No::ReservationExpired));
    assert_eq!(committed().when(release_committed(2, 1)), Err(No::UnknownReservation));
}

#[test]
fn what_is_shipped_is_neither_on_hand_nor_held() {
    let gone = |quantity| E::Shipped {
        reservation: id(1),
        order: ORDER,
        line: LINE,
        fulfilment: FULFILMENT,
        quantity,
    };
    assert_eq!(committed().when(ship(1, 4)), Ok(vec![gone(4)]));
    let part = committed().and(ship(1, 3));
    assert_eq!((part.0.on_hand(), part.0.available()), (7, 6));
    assert_eq!(part.when(ship_with(9, 1, 2)), Err(No::MoreThanCommitted { outstanding: 1 }));
    let all = part.and(ship_with(9, 1, 1));
    assert_eq!((all.0.on_hand(), all.0.available()), (6, 6));
    assert_eq!(all.when(ship_with(10, 1, 1)), Err(No::MoreThanCommitted { outstanding: 0 }));
}

#[test]
fn only_what_is_committed_is_shipped() {
    assert_eq!(committed().when(ship(1, 0)), Err(No::BadQuantity));
    assert_eq!(reserved().when(ship(1, 1)), Err(No::NotCommitted));
    assert_eq!(released().when(ship(1, 1)), Err(No::ReservationReleased));
    assert_eq!(expired().when(ship(1, 1)), Err(No::ReservationExpired));
    assert_eq!(committed().when(ship(2, 1)), Err(No::UnknownReservation));
}

#[test]
fn a_fulfilment_ships_a_reservation_once() {
    let part = committed().and(ship(1, 3));
    assert_eq!(part.when(ship(1, 3)), Ok(vec![]));
    assert_eq!(part.when(ship(1, 1)), Err(No::AlreadyShipped(FULFILMENT)));
    let all = part.and(ship_with(9, 1, 1));
    assert_eq!(all.when(ship(1, 3)), Ok(vec![]));
    assert_eq!(all.when(ship_with(9, 1, 1)), Ok(vec![]));
}

#[test]
fn a_backorder_ships_only_what_nobody_else_was_promised() {
    let stock = reserved().and(C::Reserve(on_backorder(2, 9))).and(commit(2, 1));
    assert_eq!(stock.when(ship(2, 7)), Err(No::InsufficientStock { available: 6 }));
    let shipped = stock.and(ship(2, 6));
    assert_eq!((shipped.0.on_hand(), shipped.0.available()), (4, -3));
    let filled = shipped.and(commit(1, 1)).and(ship(1, 4));
    assert_eq!(filled.0.on_hand(), 0);
    assert_eq!(filled.when(ship_with(9, 2, 1)), Err(No::InsufficientStock { available: 0 }));
}

#[test]
fn only_good_units_come_back_on_hand() {
    for (condition, on_hand) in [(Condition::Good, 12), (Condition::Damaged, 10)] {
        let back = E::Returned { order: ORDER, line: LINE, return_id: RETURN, quantity: 2, condition };
        assert_eq!(ten().when(take_back(2, condition)), Ok(vec![back]));
        assert_eq!(ten().and(take_back(2, condition)).0.on_hand(), on_hand);
        assert_eq!(ten().when(take_back(0, condition)), Err(No::BadQuantity));
    }
    let full = given::<Stock>([E::Received { quantity: i64::MAX }]);
    assert_eq!(full.when(take_back(1, Condition::Good)), Err(No::Overflow));
    assert!(full.when(take_back(1, Condition::Damaged)).is_ok());
}

#[test]
fn is_corrected_but_never_below_what_is_promised() {
    assert_eq!(reserved().when(adjust(-6)), Ok(vec![E::Adjusted { delta: -6, reason: "counted".into() }]));
    assert_eq!(reserved().and(adjust(-6)).0.available(), 0);
    assert_eq!(reserved().when(adjust(-7)), Err(No::BelowCommitted { held: 4 }));
    assert_eq!(committed().when(adjust(-7)), Err(No::BelowCommitted { held: 4 }));
    assert_eq!(ten().when(adjust(-11)), Err(No::BelowCommitted { held: 0 }));
    assert_eq!(ten().and(adjust(5)).0.on_hand(), 15);
    let on_order = ten().and(C::Reserve(on_backorder(1, 10)));
    assert_eq!(on_order.and(adjust(-10)).0.on_hand(), 0);
}

#[test]
fn a_correction_has_a_size_and_a_reason() {
    for delta in [0, i64::MIN, MAX_QUANTITY + 1, -MAX_QUANTITY - 1] {
        assert_eq!(ten().when(adjust(delta)), Err(No::BadQuantity));
    }
    for reason in ["", " ", &"x".repeat(501)] {
        assert_eq!(ten().when(C::Adjust { delta: 1, reason: reason.into() }), Err(No::BadReason));
    }
    let full = given::<Stock>([E::Received { quantity: i64::MAX }]);
    assert_eq!(full.when(adjust(1)), Err(No::Overflow));
}

/// Second 60 the reservation expires; what is over is remembered for the hour after.
#[test]
fn what_is_long_over_is_forgotten_and_never_lives_again() {
    let another = |second| {
        let expires_at = at(second + 60);
        C::Reserve(Reservation { at: at(second), expires_at, ..terms(2, 1) })
    };
    let shipped = committed().and(ship(1, 4));
    let given_up = committed().and(release_committed(1, 4));
    for over in [released(), expired(), shipped, given_up] {
        let remembered = Given(over.0.clone()).and(another(3659));
        assert_eq!(remembered.when(C::Reserve(terms(1, 4))), Ok(vec![]));

        let forgotten = over.and(another(3660));
        assert_eq!(forgotten.when(C::Reserve(terms(1, 4))), Err(No::ReservationExpired));
        for command in [release(1), expire(1, 3660), commit(1, 3660), ship(1, 4), release_committed(1, 4)] {
            assert_eq!(forgotten.when(command), Err(No::UnknownReservation));
        }
    }
}

#[test]
fn what_is_still_held_is_never_forgotten() {
    let year = TimeDelta::days(365);
    let another = || C::Reserve(Reservation { at: at(0) + year, expires_at: at(60) + year, ..terms(2, 1) });
    assert!(reserved().and(another()).when(release(1)).is_ok());
    assert!(committed().and(another()).when(ship(1, 4)).is_ok());
    let part = committed().and(ship(1, 1)).and(another());
    assert!(part.when(ship_with(9, 1, 3)).is_ok());
}

#[test]
fn says_what_sort_of_no_it_is() {
    assert_eq!(No::UnknownReservation.kind(), Kind::Missing);
    for conflict in [
        No::ReservationTaken,
        No::InsufficientStock { available: 1 },
        No::NotYetDue(at(0)),
        No::ReservationExpired,
        No::ReservationReleased,
        No::NotCommitted,
        No::AlreadyCommitted,
        No::MoreThanCommitted { outstanding: 1 },
        No::AlreadyShipped(FULFILMENT),
        No::BelowCommitted { held: 1 },
    ] {
        assert_eq!(conflict.kind(), Kind::Conflict);
    }
    for invalid in [No::BadQuantity, No::BadExpiry, No::BadReason, No::Overflow] {
        assert_eq!(invalid.kind(), Kind::Invalid);
    }
    assert_eq!(No::InsufficientStock { available: 1 }.as_ref(), "insufficient_stock");
    assert_eq!(No::BadExpiry.to_string(), "a reservation runs for some time, and at most 90 days");
}

#[test]
fn its_events_on_disk() {
    let (reservation, order, line, return_id) = (id(1), ORDER, LINE, RETURN);
    let about = r#""reservation":"res_00000000000000000000000001","order":"ord_00000000000000000000000001","line":"line_00000000000000000000000002""#;
    let returned = |condition| E::Returned { order, line, return_id, quantity: 4, condition };
    for (event, json) in [
        (E::Received { quantity: 10 }, r#"{"type":"Received","quantity":10}"#.to_owned()),
        (
            E::Reserved(terms(1, 4)),
            format!(
                r#"{{"type":"Reserved",{about},"quantity":4,"expires_at":"2023-11-14T22:14:20Z","backorder":false,"at":"2023-11-14T22:13:20Z"}}"#
            ),
        ),
        (
            E::Released { reservation, order, line, quantity: 4 },
            format!(r#"{{"type":"Released",{about},"quantity":4}}"#),
        ),
        (
            E::Expired { reservation, order, line, quantity: 4 },
            format!(r#"{{"type":"Expired",{about},"quantity":4}}"#),
        ),
        (
            E::Committed { reservation, order, line, quantity: 4 },
            format!(r#"{{"type":"Committed",{about},"quantity":4}}"#),
        ),
        (
            E::CommitmentReleased { reservation, order, line, quantity: 4 },
            format!(r#"{{"type":"CommitmentReleased",{about},"quantity":4}}"#),
        ),
        (
            E::Shipped { reservation, order, line, fulfilment: FULFILMENT, quantity: 4 },
            format!(
                r#"{{"type":"Shipped",{about},"fulfilment":"ful_00000000000000000000000003","quantity":4}}"#
            ),
        ),
        (
            returned(Condition::Good),
            r#"{"type":"Returned","order":"ord_00000000000000000000000001","line":"line_00000000000000000000000002","return_id":"ret_00000000000000000000000004","quantity":4,"condition":"good"}"#.to_owned(),
        ),
        (
            returned(Condition::Damaged),
            r#"{"type":"Returned","order":"ord_00000000000000000000000001","line":"line_00000000000000000000000002","return_id":"ret_00000000000000000000000004","quantity":4,"condition":"damaged"}"#.to_owned(),
        ),
        (
            E::Adjusted { delta: -3, reason: "lost".into() },
            r#"{"type":"Adjusted","delta":-3,"reason":"lost"}"#.to_owned(),
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
