//! Tests of the account's rules.

use super::{AccountCommand as C, AccountEvent as E, AccountRefusal as No, *};
use crate::kernel::{Given, given};
use crate::pii::Sealed;
use uuid::Uuid;

const LINK: ChallengeId = ChallengeId::from_uuid(Uuid::from_u128(1));
const NEWER: ChallengeId = ChallengeId::from_uuid(Uuid::from_u128(2));
const OLD: ChallengeId = ChallengeId::from_uuid(Uuid::from_u128(3));
const NEW: ChallengeId = ChallengeId::from_uuid(Uuid::from_u128(4));
const HERE: SessionId = SessionId::from_uuid(Uuid::from_u128(5));
const THERE: SessionId = SessionId::from_uuid(Uuid::from_u128(6));

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn sealed(letter: &str) -> Pii<Address> {
    let text = format!("pii1.{}.{}", letter.repeat(22), letter.repeat(75));
    Pii::new(text.parse::<Sealed>().unwrap())
}

fn register() -> C {
    C::Register { address: sealed("a"), locale: Locale::default(), challenge: LINK, at: at(0) }
}

fn registered() -> E {
    E::Registered {
        address: sealed("a"),
        locale: Locale::default(),
        challenge: LINK,
        expires_at: at(0) + VERIFY_WITHIN,
    }
}

fn verified() -> E {
    E::Verified { challenge: LINK }
}

fn anns() -> Given<Account> {
    given([registered(), verified()])
}

fn again(second: i64) -> C {
    C::RegisterAgain { challenge: NEWER, at: at(second) }
}

fn verify(challenge: ChallengeId, second: i64) -> C {
    C::Verify { challenge, at: at(second) }
}

fn ask_change(second: i64) -> C {
    C::AskAddressChange { address: sealed("b"), old: OLD, new: NEW, at: at(second) }
}

fn change_asked() -> E {
    E::AddressChangeAsked { address: sealed("b"), old: OLD, new: NEW, expires_at: at(0) + CHANGE_WITHIN }
}

fn confirm(challenge: ChallengeId, second: i64) -> C {
    C::ConfirmAddressChange { challenge, at: at(second) }
}

fn suspend(reason: Suspicion) -> C {
    C::Suspend { reason }
}

fn end(kept: Option<SessionId>) -> C {
    C::EndSessions { reason: SessionsEnd::Asked, kept }
}

#[test]
fn nobody_signs_in_before_the_address_is_shown_to_be_theirs() {
    assert_eq!(given::<Account>([]).when(register()), Ok(vec![registered()]));
    let new = given::<Account>([registered()]);
    assert!(!new.0.is_active());
    assert!(!new.0.is_verified());
    assert_eq!(new.when(register()), Err(No::AlreadyRegistered));
    assert_eq!(new.when(ask_change(0)), Err(No::NotVerified));
    assert_eq!(new.when(verify(LINK, 86_399)), Ok(vec![verified()]));
    let active = new.and(verify(LINK, 0));
    assert!(active.0.is_active() && active.0.is_verified());
    assert_eq!(active.0.address(), Some(&sealed("a")));
    assert_eq!(active.0.locale(), Some(&Locale::default()));
}

#[test]
fn a_link_is_good_once_and_for_a_day() {
    let new = given::<Account>([registered()]);
    assert_eq!(new.when(verify(LINK, 86_400)), Err(No::LinkSpent));
    assert_eq!(new.when(verify(NEWER, 0)), Err(No::LinkSpent));
    assert_eq!(anns().when(verify(LINK, 0)), Err(No::LinkSpent));
}

#[test]
fn a_newer_link_replaces_the_last_one() {
    let expires_at = at(60) + VERIFY_WITHIN;
    let new = given::<Account>([registered()]);
    assert_eq!(new.when(again(59)), Ok(vec![]));
    assert_eq!(new.when(again(60)), Ok(vec![E::VerificationAsked { challenge: NEWER, expires_at }]));
    let newer = new.and(again(60));
    assert_eq!(newer.when(verify(LINK, 61)), Err(No::LinkSpent));
    assert_eq!(newer.when(verify(NEWER, 61)), Ok(vec![E::Verified { challenge: NEWER }]));
    assert_eq!(newer.when(again(60 + 119)), Ok(vec![]));
    assert_eq!(newer.when(again(60 + 120)).map(|events| events.len()), Ok(1));
}

#[test]
fn who_has_the_address_is_told_that_somebody_registers_with_it() {
    assert_eq!(anns().when(again(0)), Ok(vec![E::RegisteredAgain { at: at(0) }]));
    let told = anns().and(again(0));
    assert_eq!(told.when(again(59)), Ok(vec![]));
    assert_eq!(told.when(again(60)), Ok(vec![E::RegisteredAgain { at: at(60) }]));
}

#[test]
fn pauses_between_mails_do_not_grow_for_ever() {
    let asked = |second| E::VerificationAsked { challenge: NEWER, expires_at: at(second) + VERIFY_WITHIN };
    let patient = given::<Account>([registered()].into_iter().chain((0..100).map(asked)));
    assert_eq!(patient.when(again(99 + 1024 * 60 - 1)), Ok(vec![]));
    assert_eq!(patient.when(again(99 + 1024 * 60)).map(|events| events.len()), Ok(1));
}

#[test]
fn an_address_is_changed_once_both_mailboxes_agree() {
    assert_eq!(anns().when(ask_change(0)), Ok(vec![change_asked()]));
    for (first, second) in [(OLD, NEW), (NEW, OLD)] {
        let asked = anns().and(ask_change(0));
        assert_eq!(asked.0.changes_to(first), None);
        assert_eq!(asked.when(confirm(first, 1)), Ok(vec![E::AddressChangeConfirmed { challenge: first }]));
        let half = asked.and(confirm(first, 1));
        assert_eq!(half.when(confirm(first, 2)), Ok(vec![]));
        assert_eq!(half.0.changes_to(first), None);
        assert_eq!(half.0.changes_to(second), Some(&sealed("b")));
        assert_eq!(half.0.address(), Some(&sealed("a")));
        assert_eq!(
            half.when(confirm(second, 2)),
            Ok(vec![
                E::AddressChangeConfirmed { challenge: second },
                E::AddressChanged { address: sealed("b") }
            ])
        );
        let changed = half.and(confirm(second, 2));
        assert_eq!(changed.0.address(), Some(&sealed("b")));
        assert_eq!(changed.when(confirm(second, 3)), Err(No::LinkSpent));
    }
}

#[test]
fn an_asked_change_ends_with_the_hour() {
    let asked = anns().and(ask_change(0)).and(confirm(OLD, 1));
    assert_eq!(asked.when(confirm(NEW, 3_600)), Err(No::LinkSpent));
    assert_eq!(asked.when(confirm(LINK, 1)), Err(No::LinkSpent));
    assert_eq!(anns().when(confirm(NEW, 1)), Err(No::LinkSpent));
    assert_eq!(asked.when(ask_change(59)), Err(No::TooSoon));
    let once_more = asked.and(ask_change(60));
    assert_eq!(once_more.0.changes_to(NEW), None);
}

#[test]
fn what_ends_all_sessions_may_keep_one() {
    let ended = |kept| E::SessionsEnded { reason: SessionsEnd::Asked, kept };
    assert_eq!(anns().when(end(Some(HERE))), Ok(vec![ended(Some(HERE))]));
    let before = anns().0.epoch();
    let (here, all) = (anns().and(end(Some(HERE))), anns().and(end(None)));
    assert!(anns().0.carries(HERE, before) && anns().0.carries(THERE, before));
    assert!(here.0.carries(HERE, before) && !here.0.carries(THERE, before));
    assert!(!all.0.carries(HERE, before));
    assert!(all.0.carries(THERE, all.0.epoch()));
    assert!(!here.and(end(Some(THERE))).0.carries(HERE, before));
}

#[test]
fn is_suspended_for_a_reason_until_it_is_reinstated() {
    let suspended = E::Suspended { reason: Suspicion::Fraud };
    assert_eq!(anns().when(suspend(Suspicion::Fraud)), Ok(vec![suspended]));
    assert_eq!(anns().when(C::Reinstate), Ok(vec![]));
    let asleep = anns().and(suspend(Suspicion::Fraud));
    assert!(!asleep.0.is_active() && !asleep.0.carries(HERE, asleep.0.epoch()));
    assert_eq!(asleep.when(suspend(Suspicion::Fraud)), Ok(vec![]));
    assert_eq!(asleep.when(suspend(Suspicion::Abuse)), Err(No::AlreadySuspended));
    assert_eq!(asleep.when(ask_change(0)), Err(No::Suspended));
    assert_eq!(asleep.when(C::Reinstate), Ok(vec![E::Reinstated]));
    let back = asleep.and(C::Reinstate);
    assert!(back.0.is_active() && !back.0.carries(HERE, 0));
}

#[test]
fn closed_is_for_good_and_erased_is_the_end() {
    assert_eq!(anns().when(C::Close), Ok(vec![E::Closed]));
    let closed = anns().and(C::Close);
    assert!(!closed.0.is_active() && !closed.0.carries(HERE, 0));
    assert_eq!(closed.when(C::Close), Ok(vec![]));
    for command in
        [again(0), verify(LINK, 0), ask_change(0), suspend(Suspicion::Asked), C::Reinstate, end(None)]
    {
        assert_eq!(closed.when(command), Err(No::Closed));
    }
    for alive in [anns(), closed] {
        assert_eq!(alive.when(C::Erase), Ok(vec![E::Erased]));
        let erased = alive.and(C::Erase);
        assert_eq!(erased.when(C::Erase), Ok(vec![]));
        assert_eq!(erased.when(C::Close), Err(No::Closed));
        assert!(!erased.0.is_active());
    }
}

#[test]
fn does_nothing_before_it_is_registered() {
    let commands =
        [again(0), verify(LINK, 0), ask_change(0), confirm(OLD, 0), end(None), suspend(Suspicion::Asked)];
    for command in commands.into_iter().chain([C::Reinstate, C::Close, C::Erase]) {
        assert_eq!(given::<Account>([]).when(command), Err(No::Unknown));
    }
}

#[test]
fn says_what_sort_of_no_it_is() {
    assert_eq!((No::Unknown.kind(), No::LinkSpent.kind()), (Kind::Missing, Kind::Gone));
    let conflicts = [
        No::AlreadyRegistered,
        No::NotVerified,
        No::TooSoon,
        No::Suspended,
        No::AlreadySuspended,
        No::Closed,
    ];
    assert!(conflicts.iter().all(|no| no.kind() == Kind::Conflict));
    assert_eq!(No::LinkSpent.as_ref(), "link_spent");
}

#[test]
fn its_events_on_disk() {
    let (a, b) = (sealed("a").sealed().as_str().to_owned(), sealed("b").sealed().as_str().to_owned());
    for (event, json) in [
        (
            registered(),
            format!(
                r#"{{"type":"Registered","address":"{a}","locale":"en","challenge":"chl_00000000000000000000000001","expires_at":"2023-11-15T22:13:20Z"}}"#
            ),
        ),
        (
            E::VerificationAsked { challenge: NEWER, expires_at: at(0) },
            r#"{"type":"VerificationAsked","challenge":"chl_00000000000000000000000002","expires_at":"2023-11-14T22:13:20Z"}"#.into(),
        ),
        (E::RegisteredAgain { at: at(0) }, r#"{"type":"RegisteredAgain","at":"2023-11-14T22:13:20Z"}"#.into()),
        (verified(), r#"{"type":"Verified","challenge":"chl_00000000000000000000000001"}"#.into()),
        (
            change_asked(),
            format!(
                r#"{{"type":"AddressChangeAsked","address":"{b}","old":"chl_00000000000000000000000003","new":"chl_00000000000000000000000004","expires_at":"2023-11-14T23:13:20Z"}}"#
            ),
        ),
        (
            E::AddressChangeConfirmed { challenge: OLD },
            r#"{"type":"AddressChangeConfirmed","challenge":"chl_00000000000000000000000003"}"#.into(),
        ),
        (
            E::AddressChanged { address: sealed("b") },
            format!(r#"{{"type":"AddressChanged","address":"{b}"}}"#),
        ),
        (
            E::SessionsEnded { reason: SessionsEnd::Asked, kept: None },
            r#"{"type":"SessionsEnded","reason":"asked"}"#.into(),
        ),
        (
            E::SessionsEnded { reason: SessionsEnd::PasswordChanged, kept: Some(HERE) },
            r#"{"type":"SessionsEnded","reason":"password_changed","kept":"ses_00000000000000000000000005"}"#.into(),
        ),
        (
            E::SessionsEnded { reason: SessionsEnd::TwoFactorChanged, kept: None },
            r#"{"type":"SessionsEnded","reason":"two_factor_changed"}"#.into(),
        ),
        (E::Suspended { reason: Suspicion::Fraud }, r#"{"type":"Suspended","reason":"fraud"}"#.into()),
        (
            E::Suspended { reason: Suspicion::Takeover },
            r#"{"type":"Suspended","reason":"takeover"}"#.into(),
        ),
        (E::Reinstated, r#"{"type":"Reinstated"}"#.into()),
        (E::Closed, r#"{"type":"Closed"}"#.into()),
        (E::Erased, r#"{"type":"Erased"}"#.into()),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
