//! Tests of the session's rules.

use super::{SessionCommand as C, SessionEvent as E, SessionRefusal as No, *};
use crate::kernel::{Given, given};
use uuid::Uuid;

const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
const SHOP: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(2));
const DAY: i64 = 86_400;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn beginning() -> Beginning {
    Beginning {
        account: ANN,
        epoch: 3,
        methods: [Method::Password].into(),
        at: at(0),
        workspace: None,
        device: None,
        origin: None,
    }
}

fn session() -> Given<Session> {
    given([E::Started(beginning())])
}

fn refresh(generation: i64, second: i64) -> C {
    C::Refresh { generation, at: at(second) }
}

fn refreshed(generation: i64, second: i64) -> E {
    E::Refreshed { account: ANN, generation, at: at(second) }
}

fn reused(generation: i64) -> E {
    E::ReuseDetected { account: ANN, generation }
}

#[test]
fn is_started_once_however_often_it_is_asked() {
    assert_eq!(given::<Session>([]).when(C::Start(beginning())), Ok(vec![E::Started(beginning())]));
    assert_eq!(session().when(C::Start(beginning())), Ok(vec![]));
    assert_eq!(session().when(C::Start(Beginning { epoch: 4, ..beginning() })), Err(No::AlreadyStarted));
    assert_eq!(session().0.begun(), Some(&beginning()));
    for command in [refresh(0, 0), C::SignOut, C::Revoke, C::Switch { workspace: SHOP }] {
        assert_eq!(given::<Session>([]).when(command), Err(No::Unknown));
    }
    assert_eq!(given::<Session>([]).0.ends_at(), None);
}

#[test]
fn each_token_makes_the_next() {
    assert_eq!(session().when(refresh(0, 60)), Ok(vec![refreshed(1, 60)]));
    let first = session().and(refresh(0, 60));
    assert_eq!(first.0.generation(), 1);
    assert_eq!(first.when(refresh(1, 61)), Ok(vec![refreshed(2, 61)]));
}

#[test]
fn a_lost_answer_may_be_asked_for_again_within_ten_seconds() {
    let first = session().and(refresh(0, 60));
    assert_eq!(first.when(refresh(0, 69)), Ok(vec![]));
    assert_eq!(first.when(refresh(0, 70)), Ok(vec![reused(0)]));
    // By a clock that is behind.
    assert_eq!(first.when(refresh(0, 50)), Ok(vec![]));
}

#[test]
fn a_token_whose_successor_was_used_ends_the_session() {
    let second = session().and(refresh(0, 60)).and(refresh(1, 61));
    assert_eq!(second.when(refresh(0, 62)), Ok(vec![reused(0)]));
    assert_eq!(second.when(refresh(1, 62)), Ok(vec![]));
    let over = second.and(refresh(0, 62));
    for generation in 0..3 {
        assert_eq!(over.when(refresh(generation, 63)), Err(No::Ended));
    }
    assert_eq!(over.0.ends_at(), None);
}

#[test]
fn a_token_that_was_never_given_out_changes_nothing() {
    for generation in [-1, 1, i64::MAX, i64::MIN] {
        assert_eq!(session().when(refresh(generation, 1)), Err(No::Unknown), "{generation}");
    }
}

#[test]
fn ends_after_a_week_without_a_refresh() {
    assert_eq!(session().0.ends_at(), Some(at(7 * DAY)));
    assert_eq!(session().when(refresh(0, 7 * DAY - 1)), Ok(vec![refreshed(1, 7 * DAY - 1)]));
    assert_eq!(session().when(refresh(0, 7 * DAY)), Err(No::Ended));
}

#[test]
fn ends_after_thirty_days_however_often_it_was_refreshed() {
    let used = (0..5).fold(session(), |session, n| session.and(refresh(n, (n + 1) * 5 * DAY)));
    assert_eq!(used.0.ends_at(), Some(at(30 * DAY)));
    assert!(used.when(refresh(5, 30 * DAY - 1)).is_ok());
    assert_eq!(used.when(refresh(5, 30 * DAY)), Err(No::Ended));
}

#[test]
fn remembers_when_and_how_who_they_are_was_last_shown() {
    assert_eq!(session().0.authenticated(), Some((&[Method::Password].into(), at(0))));
    let methods = BTreeSet::from([Method::Password, Method::Totp]);
    let stepped_up = E::SteppedUp { account: ANN, methods: methods.clone(), at: at(5) };
    let step_up = C::StepUp { methods: methods.clone(), at: at(5) };
    assert_eq!(session().when(step_up.clone()), Ok(vec![stepped_up]));
    assert_eq!(session().and(step_up).0.authenticated(), Some((&methods, at(5))));
    assert_eq!(given::<Session>([]).0.authenticated(), None);
}

#[test]
fn acts_in_the_workspace_it_switched_to() {
    let switch = C::Switch { workspace: SHOP };
    assert_eq!(session().0.workspace(), None);
    let switched = E::Switched { account: ANN, workspace: SHOP };
    assert_eq!(session().when(switch.clone()), Ok(vec![switched]));
    let there = session().and(switch.clone());
    assert_eq!(there.0.workspace(), Some(SHOP));
    assert_eq!(there.when(switch.clone()), Ok(vec![]));
    let begun_there = given::<Session>([E::Started(Beginning { workspace: Some(SHOP), ..beginning() })]);
    assert_eq!(begun_there.when(switch), Ok(vec![]));
}

#[test]
fn is_ended_once_by_whoever_is_first() {
    assert_eq!(session().when(C::SignOut), Ok(vec![E::SignedOut { account: ANN }]));
    assert_eq!(session().when(C::Revoke), Ok(vec![E::Revoked { account: ANN }]));
    for end in [C::SignOut, C::Revoke] {
        let over = session().and(end);
        assert_eq!(over.when(C::SignOut), Ok(vec![]));
        assert_eq!(over.when(C::Revoke), Ok(vec![]));
        assert_eq!(over.when(C::Switch { workspace: SHOP }), Err(No::Ended));
        assert_eq!(over.when(C::StepUp { methods: BTreeSet::new(), at: at(1) }), Err(No::Ended));
        assert_eq!(over.when(refresh(0, 1)), Err(No::Ended));
    }
}

#[test]
fn says_what_sort_of_no_it_is() {
    assert_eq!((No::Unknown.kind(), No::Ended.as_ref()), (Kind::Missing, "ended"));
    assert_eq!((No::AlreadyStarted.kind(), No::Ended.kind()), (Kind::Conflict, Kind::Conflict));
}

#[test]
fn knows_whether_a_second_factor_was_shown() {
    assert!(!session().0.has_second_factor());
    let shown = |methods| session().and(C::StepUp { methods, at: at(1) }).0.has_second_factor();
    assert!(!shown([Method::Password].into()));
    assert!(shown([Method::Password, Method::Totp].into()));
    assert!(shown([Method::RecoveryCode].into()));
    let begun = Beginning { methods: [Method::Password, Method::Totp].into(), ..beginning() };
    assert!(given::<Session>([E::Started(begun)]).0.has_second_factor());
}

#[test]
fn its_events_on_disk() {
    let text = format!("pii1.{}.{}", "k".repeat(22), "c".repeat(75));
    let sealed = || text.parse::<crate::pii::Sealed>().unwrap();
    let whole = Beginning {
        workspace: Some(SHOP),
        device: Some(Pii::new(sealed())),
        origin: Some(Pii::new(sealed())),
        methods: [Method::Password, Method::Totp, Method::RecoveryCode].into(),
        ..beginning()
    };
    let account = r#""account":"acc_00000000000000000000000001""#;
    for (event, json) in [
        (
            E::Started(beginning()),
            format!(
                r#"{{"type":"Started",{account},"epoch":3,"methods":["password"],"at":"2023-11-14T22:13:20Z"}}"#
            ),
        ),
        (
            E::Started(whole),
            format!(
                r#"{{"type":"Started",{account},"epoch":3,"methods":["password","totp","recovery_code"],"at":"2023-11-14T22:13:20Z","workspace":"ws_00000000000000000000000002","device":"{text}","origin":"{text}"}}"#
            ),
        ),
        (
            refreshed(1, 0),
            format!(r#"{{"type":"Refreshed",{account},"generation":1,"at":"2023-11-14T22:13:20Z"}}"#),
        ),
        (
            E::SteppedUp { account: ANN, methods: [Method::Totp].into(), at: at(0) },
            format!(r#"{{"type":"SteppedUp",{account},"methods":["totp"],"at":"2023-11-14T22:13:20Z"}}"#),
        ),
        (
            E::Switched { account: ANN, workspace: SHOP },
            format!(r#"{{"type":"Switched",{account},"workspace":"ws_00000000000000000000000002"}}"#),
        ),
        (reused(4), format!(r#"{{"type":"ReuseDetected",{account},"generation":4}}"#)),
        (E::SignedOut { account: ANN }, format!(r#"{{"type":"SignedOut",{account}}}"#)),
        (E::Revoked { account: ANN }, format!(r#"{{"type":"Revoked",{account}}}"#)),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
