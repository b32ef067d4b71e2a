//! Tests of the workspace's rules.

use super::{WorkspaceCommand as C, WorkspaceEvent as E, WorkspaceRefusal as No, *};
use crate::kernel::given;

const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));

fn created() -> E {
    E::Created { name: "Acme".into(), owner: None }
}

fn suspended() -> E {
    E::Suspended { reason: "unpaid".into() }
}

fn create(name: &str) -> C {
    C::Create { name: name.into(), owner: None }
}

fn rename(name: &str) -> C {
    C::Rename { name: name.into() }
}

fn suspend(reason: &str) -> C {
    C::Suspend { reason: reason.into() }
}

#[test]
fn is_created_once_however_often_it_is_asked() {
    assert_eq!(given::<Workspace>([]).when(create("Acme")), Ok(vec![created()]));
    assert_eq!(given::<Workspace>([created()]).when(create("Acme")), Ok(vec![]));
    assert_eq!(given::<Workspace>([created()]).when(create("Other")), Err(No::AlreadyCreated));
}

#[test]
fn has_a_name_of_one_to_a_hundred_characters() {
    for bad in ["", "  ", &"é".repeat(101)] {
        assert_eq!(given::<Workspace>([]).when(create(bad)), Err(No::BadName), "{bad}");
        assert_eq!(given::<Workspace>([created()]).when(rename(bad)), Err(No::BadName), "{bad}");
    }
    let longest = "é".repeat(100);
    assert_eq!(
        given::<Workspace>([created()]).when(rename(&longest)),
        Ok(vec![E::Renamed { name: longest }])
    );
}

#[test]
fn is_renamed_to_another_name_only() {
    assert_eq!(given::<Workspace>([created()]).when(rename("Acme")), Ok(vec![]));
    let renamed = given::<Workspace>([created()]).and(rename("Zenith"));
    assert_eq!(renamed.when(rename("Zenith")), Ok(vec![]));
}

#[test]
fn is_suspended_for_a_reason_until_it_is_resumed() {
    let active = given::<Workspace>([created()]);
    assert!(active.0.is_active());
    assert_eq!(active.when(suspend("unpaid")), Ok(vec![suspended()]));
    assert_eq!(active.when(suspend("")), Err(No::BadReason));
    assert_eq!(active.when(suspend(&"x".repeat(501))), Err(No::BadReason));
    assert_eq!(active.when(C::Resume), Ok(vec![]));

    let asleep = given::<Workspace>([created(), suspended()]);
    assert!(!asleep.0.is_active());
    assert_eq!(asleep.when(suspend("unpaid")), Ok(vec![]));
    assert_eq!(asleep.when(suspend("fraud")), Err(No::AlreadySuspended));
    assert_eq!(asleep.when(C::Resume), Ok(vec![E::Resumed]));
    assert!(asleep.and(C::Resume).0.is_active());
}

#[test]
fn does_nothing_before_it_exists() {
    assert!(!Workspace::default().is_active());
    for command in
        [rename("Acme"), suspend("unpaid"), C::Resume, C::Settle(settings()), C::HandOver { to: ANN }]
    {
        assert_eq!(given::<Workspace>([]).when(command), Err(No::Unknown));
    }
}

fn settings() -> Settings {
    let (time_zone, locale) = ("Europe/Berlin".parse().unwrap(), "de".parse().unwrap());
    Settings { time_zone, locale, currency: Currency::EUR }
}

#[test]
fn belongs_to_who_made_it_until_it_is_handed_over() {
    let create = C::Create { name: "Acme".into(), owner: Some(ANN) };
    let made = E::Created { name: "Acme".into(), owner: Some(ANN) };
    assert_eq!(given::<Workspace>([]).when(create.clone()), Ok(vec![made.clone()]));
    let anns = given::<Workspace>([made]);
    assert_eq!(anns.0.owner(), Some(ANN));
    assert_eq!(anns.when(create), Ok(vec![]));
    assert_eq!(anns.when(C::Create { name: "Acme".into(), owner: Some(BEN) }), Err(No::AlreadyCreated));
    assert_eq!(anns.when(C::HandOver { to: ANN }), Ok(vec![]));
    let handed = E::HandedOver { from: Some(ANN), to: BEN };
    assert_eq!(anns.when(C::HandOver { to: BEN }), Ok(vec![handed]));
    assert_eq!(anns.and(C::HandOver { to: BEN }).0.owner(), Some(BEN));
    let given_away = given::<Workspace>([created()]).and(C::HandOver { to: ANN });
    assert_eq!(given_away.0.owner(), Some(ANN));
}

#[test]
fn its_settings_change_to_others_only() {
    let new = given::<Workspace>([created()]);
    assert_eq!(new.when(C::Settle(settings())), Ok(vec![E::Settled(settings())]));
    assert_eq!(new.and(C::Settle(settings())).when(C::Settle(settings())), Ok(vec![]));
}

#[test]
fn says_who_must_have_a_second_factor() {
    let require = |of| C::RequireTwoFactor { of };
    let new = given::<Workspace>([created()]);
    assert_eq!(new.when(require(TwoFactorOf::Nobody)), Ok(vec![]));
    let required = E::TwoFactorRequired { of: TwoFactorOf::Privileged };
    assert_eq!(new.when(require(TwoFactorOf::Privileged)), Ok(vec![required]));
    let strict = new.and(require(TwoFactorOf::Everyone));
    assert_eq!(strict.when(require(TwoFactorOf::Everyone)), Ok(vec![]));
}

#[test]
fn says_what_sort_of_no_it_is() {
    assert_eq!((No::Unknown.kind(), No::Unknown.as_ref()), (Kind::Missing, "unknown"));
    assert_eq!(No::AlreadyCreated.kind(), Kind::Conflict);
    assert_eq!(No::AlreadySuspended.kind(), Kind::Conflict);
    assert_eq!(No::BadName.kind(), Kind::Invalid);
    assert_eq!(No::BadReason.kind(), Kind::Invalid);
}

#[test]
fn asks_a_second_factor_of_those_it_means() {
    let asks = |of: TwoFactorOf, roles: &[&str]| {
        let asking = given::<Workspace>([created()]).and(C::RequireTwoFactor { of });
        asking.0.two_factor().includes(&roles.iter().map(|role| role.parse().unwrap()).collect())
    };
    for role in ["owner", "admin", "auditor"] {
        assert!(asks(TwoFactorOf::Privileged, &["viewer", role]), "{role}");
    }
    for role in ["editor", "viewer", "integrator", "role_00000000000000000000000007"] {
        assert!(!asks(TwoFactorOf::Privileged, &[role]), "{role}");
        assert!(asks(TwoFactorOf::Everyone, &[role]) && !asks(TwoFactorOf::Nobody, &[role]), "{role}");
    }
    assert!(!asks(TwoFactorOf::Nobody, &["owner"]));
}

#[test]
fn its_events_on_disk() {
    for (event, json) in [
        (created(), r#"{"type":"Created","name":"Acme"}"#),
        (E::Renamed { name: "Zenith".into() }, r#"{"type":"Renamed","name":"Zenith"}"#),
        (suspended(), r#"{"type":"Suspended","reason":"unpaid"}"#),
        (E::Resumed, r#"{"type":"Resumed"}"#),
        (
            E::Created { name: "Acme".into(), owner: Some(ANN) },
            r#"{"type":"Created","name":"Acme","owner":"acc_00000000000000000000000001"}"#,
        ),
        (
            E::Settled(settings()),
            r#"{"type":"Settled","time_zone":"Europe/Berlin","locale":"de","currency":"EUR"}"#,
        ),
        (
            E::TwoFactorRequired { of: TwoFactorOf::Privileged },
            r#"{"type":"TwoFactorRequired","of":"privileged"}"#,
        ),
        (E::TwoFactorRequired { of: TwoFactorOf::Nobody }, r#"{"type":"TwoFactorRequired","of":"nobody"}"#),
        (
            E::TwoFactorRequired { of: TwoFactorOf::Everyone },
            r#"{"type":"TwoFactorRequired","of":"everyone"}"#,
        ),
        (
            E::HandedOver { from: Some(ANN), to: BEN },
            r#"{"type":"HandedOver","from":"acc_00000000000000000000000001","to":"acc_00000000000000000000000002"}"#,
        ),
        (
            E::HandedOver { from: None, to: BEN },
            r#"{"type":"HandedOver","to":"acc_00000000000000000000000002"}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
    }
}
