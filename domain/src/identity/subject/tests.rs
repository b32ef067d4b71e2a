//! Subject: each of its rules, and its events on disk.

use uuid::Uuid;

use super::{SubjectCommand as C, SubjectEvent as E, SubjectRefusal as No, *};
use crate::kernel::given;

fn hold() -> HoldId {
    HoldId::from_uuid(Uuid::from_u128(1))
}

fn classes<const N: usize>(all: [Class; N]) -> BTreeSet<Class> {
    all.into()
}

fn contact() -> BTreeSet<Class> {
    classes([Class::Contact])
}

fn request(by: &str, needs_approval: bool) -> C {
    C::RequestErasure { classes: contact(), reason: ErasureReason::Asked, by: by.into(), needs_approval }
}

fn approve(by: &str) -> C {
    C::ApproveErasure { by: by.into() }
}

fn requested(needs_approval: bool) -> E {
    E::ErasureRequested {
        classes: contact(),
        reason: ErasureReason::Asked,
        requested_by: "ann".into(),
        needs_approval,
    }
}

fn approved() -> E {
    E::ErasureApproved { approved_by: "bob".into() }
}

fn erased(approved_by: Option<&str>) -> E {
    E::Erased {
        classes: contact(),
        reason: ErasureReason::Asked,
        requested_by: "ann".into(),
        approved_by: approved_by.map(str::to_owned),
    }
}

fn held() -> E {
    E::HoldPlaced { hold: hold(), reason: HoldReason::Litigation }
}

#[test]
fn is_erased_at_once_where_nobody_has_to_approve() {
    assert_eq!(given::<Subject>([]).when(request("ann", false)), Ok(vec![requested(false), erased(None)]));
}

#[test]
fn is_erased_once_however_often_it_is_asked() {
    let gone = given::<Subject>([requested(false), erased(None)]);
    assert_eq!(gone.when(request("ann", false)), Ok(vec![]));
    assert_eq!(gone.when(request("eve", true)), Ok(vec![]));
    assert_eq!(gone.when(C::WithdrawErasure), Err(No::Erased));
}

#[test]
fn a_second_person_approves_where_that_is_wanted() {
    let asked = given::<Subject>([]).and(request("ann", true));
    assert_eq!(asked.0.erased(), &classes([]));
    assert_eq!(asked.when(approve("ann")), Err(No::SamePerson));
    assert_eq!(asked.when(approve("bob")), Ok(vec![approved(), erased(Some("bob"))]));
    let gone = asked.and(approve("bob"));
    assert_eq!(gone.0.erased(), &contact());
    assert_eq!(gone.when(approve("bob")), Ok(vec![]));
    assert_eq!(gone.when(approve("eve")), Err(No::NotRequested));
    assert_eq!(given::<Subject>([]).when(approve("bob")), Err(No::NotRequested));
}

#[test]
fn a_hold_keeps_it_and_its_end_lets_it_go() {
    let kept = given::<Subject>([held()]).and(request("ann", true));
    assert!(kept.0.is_held());
    assert_eq!(kept.when(approve("bob")), Ok(vec![approved()]));
    let approved_but_held = kept.and(approve("bob"));
    assert_eq!(approved_but_held.when(approve("eve")), Ok(vec![]));
    let lifted = E::HoldLifted { hold: hold() };
    assert_eq!(
        approved_but_held.when(C::LiftHold { hold: hold() }),
        Ok(vec![lifted.clone(), erased(Some("bob"))])
    );
    // Not yet approved, the end of the hold alone erases nothing.
    let unapproved = given::<Subject>([held(), requested(true)]);
    assert_eq!(unapproved.when(C::LiftHold { hold: hold() }), Ok(vec![lifted]));
}

#[test]
fn each_hold_counts() {
    let other = HoldId::from_uuid(Uuid::from_u128(2));
    let twice = given::<Subject>([held()])
        .and(C::PlaceHold { hold: other, reason: HoldReason::Tax })
        .and(request("ann", false));
    assert_eq!(twice.when(C::LiftHold { hold: other }), Ok(vec![E::HoldLifted { hold: other }]));
    let once = twice.and(C::LiftHold { hold: other });
    assert_eq!(once.when(C::LiftHold { hold: other }), Ok(vec![]));
    assert_eq!(
        once.when(C::LiftHold { hold: hold() }),
        Ok(vec![E::HoldLifted { hold: hold() }, erased(None)])
    );
}

#[test]
fn a_hold_is_placed_once_and_lifted_once() {
    let placed = C::PlaceHold { hold: hold(), reason: HoldReason::Litigation };
    assert_eq!(given::<Subject>([]).when(placed.clone()), Ok(vec![held()]));
    assert_eq!(given::<Subject>([held()]).when(placed.clone()), Ok(vec![]));
    assert_eq!(given::<Subject>([]).when(C::LiftHold { hold: hold() }), Err(No::UnknownHold));
    let everything = E::Erased {
        classes: Class::ALL.into(),
        reason: ErasureReason::Unlawful,
        requested_by: "ann".into(),
        approved_by: None,
    };
    assert_eq!(given::<Subject>([everything]).when(placed), Err(No::Erased));
}

#[test]
fn an_erasure_can_be_withdrawn_until_it_has_come_about() {
    let asked = given::<Subject>([requested(true)]);
    assert_eq!(asked.when(C::WithdrawErasure), Ok(vec![E::ErasureWithdrawn]));
    let withdrawn = asked.and(C::WithdrawErasure);
    assert_eq!(withdrawn.when(C::WithdrawErasure), Ok(vec![]));
    assert_eq!(withdrawn.when(approve("bob")), Err(No::NotRequested));
    assert_eq!(withdrawn.when(request("ann", true)), Ok(vec![requested(true)]));
    assert_eq!(given::<Subject>([]).when(C::WithdrawErasure), Err(No::NotRequested));
}

#[test]
fn one_erasure_is_under_way_at_a_time_and_the_next_is_of_what_is_left() {
    let asked = given::<Subject>([requested(true)]);
    assert_eq!(asked.when(request("ann", true)), Ok(vec![]));
    assert_eq!(asked.when(request("bob", true)), Err(No::AlreadyRequested));
    let more = C::RequestErasure {
        classes: classes([Class::Contact, Class::Legal]),
        reason: ErasureReason::NoLongerNeeded,
        by: "ann".into(),
        needs_approval: true,
    };
    let legal = E::ErasureRequested {
        classes: classes([Class::Legal]),
        reason: ErasureReason::NoLongerNeeded,
        requested_by: "ann".into(),
        needs_approval: true,
    };
    assert_eq!(given::<Subject>([requested(false), erased(None)]).when(more), Ok(vec![legal]));
    let nothing = C::RequestErasure {
        classes: classes([]),
        reason: ErasureReason::Asked,
        by: "ann".into(),
        needs_approval: false,
    };
    assert_eq!(given::<Subject>([]).when(nothing), Err(No::NoClasses));
}

#[test]
fn that_its_keys_are_gone_is_recorded_once() {
    let gone = given::<Subject>([requested(false), erased(None)]);
    let record = C::RecordKeysDestroyed { classes: contact() };
    assert_eq!(gone.when(record.clone()), Ok(vec![E::KeysDestroyed { classes: contact() }]));
    assert_eq!(gone.and(record.clone()).when(record.clone()), Ok(vec![]));
    assert_eq!(given::<Subject>([requested(true)]).when(record), Err(No::NotErased));
}

#[test]
fn says_what_sort_of_no_it_is() {
    assert_eq!(No::UnknownHold.kind(), Kind::Missing);
    assert_eq!(No::NoClasses.kind(), Kind::Invalid);
    for conflict in [No::AlreadyRequested, No::NotRequested, No::SamePerson, No::Erased, No::NotErased] {
        assert_eq!(conflict.kind(), Kind::Conflict);
    }
    assert_eq!(No::SamePerson.as_ref(), "same_person");
}

#[test]
fn knows_with_what_its_data_ends() {
    let nobody = given::<Subject>([]);
    assert!(nobody.0.ends_with(&request("ann", false), Class::Contact));
    assert!(!nobody.0.ends_with(&request("ann", false), Class::Legal));
    assert!(!nobody.0.ends_with(&request("ann", true), Class::Contact));
    let waiting = given::<Subject>([requested(true)]);
    assert_eq!((waiting.0.is_pending(), waiting.0.awaits_approval()), (true, true));
    assert!(waiting.0.ends_with(&approve("bob"), Class::Contact));
    assert!(!waiting.0.ends_with(&approve("ann"), Class::Contact));
    let kept = given::<Subject>([held(), requested(false)]);
    assert_eq!((kept.0.is_pending(), kept.0.awaits_approval()), (true, false));
    assert!(kept.0.ends_with(&C::LiftHold { hold: hold() }, Class::Contact));
}

#[test]
fn its_events_on_disk() {
    let hold = "hold_00000000000000000000000001";
    let json = |text: &str| text.replace("HOLD", hold);
    for (event, text) in [
        (held(), r#"{"type":"HoldPlaced","hold":"HOLD","reason":"litigation"}"#),
        (E::HoldLifted { hold: self::hold() }, r#"{"type":"HoldLifted","hold":"HOLD"}"#),
        (
            requested(true),
            r#"{"type":"ErasureRequested","classes":["contact"],"reason":"asked","requested_by":"ann","needs_approval":true}"#,
        ),
        (approved(), r#"{"type":"ErasureApproved","approved_by":"bob"}"#),
        (E::ErasureWithdrawn, r#"{"type":"ErasureWithdrawn"}"#),
        (
            erased(Some("bob")),
            r#"{"type":"Erased","classes":["contact"],"reason":"asked","requested_by":"ann","approved_by":"bob"}"#,
        ),
        (erased(None), r#"{"type":"Erased","classes":["contact"],"reason":"asked","requested_by":"ann"}"#),
        (
            E::KeysDestroyed { classes: classes([Class::Legal, Class::Contact]) },
            r#"{"type":"KeysDestroyed","classes":["contact","legal"]}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json(text));
        assert_eq!(serde_json::from_str::<E>(&json(text)).unwrap(), event);
    }
    let words = [ErasureReason::NoLongerNeeded, ErasureReason::Unlawful];
    assert_eq!(serde_json::to_string(&words).unwrap(), r#"["no_longer_needed","unlawful"]"#);
    let words = [HoldReason::Dispute, HoldReason::Tax, HoldReason::Regulator];
    assert_eq!(serde_json::to_string(&words).unwrap(), r#"["dispute","tax","regulator"]"#);
}
