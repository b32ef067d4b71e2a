//! Tests of the API key's rules.

use super::{ApiKeyCommand as C, ApiKeyEvent as E, ApiKeyRefusal as No, *};
use crate::kernel::given;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn scopes<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
    all.map(str::to_owned).into()
}

fn terms() -> Terms {
    Terms {
        name: "shop".into(),
        scopes: scopes(["order:place", "cart:manage"]),
        secret_hash: "0a".repeat(32),
        expires_at: Some(at(60)),
        networks: BTreeSet::new(),
    }
}

fn refused(terms: Terms) -> No {
    given::<ApiKey>([]).when(C::Issue(terms)).unwrap_err()
}

#[test]
fn is_issued_once_however_often_it_is_asked() {
    assert_eq!(given::<ApiKey>([]).when(C::Issue(terms())), Ok(vec![E::Issued(terms())]));
    let issued = given::<ApiKey>([E::Issued(terms())]);
    assert_eq!(issued.when(C::Issue(terms())), Ok(vec![]));
    assert_eq!(issued.when(C::Issue(Terms { expires_at: None, ..terms() })), Err(No::AlreadyIssued));
}

#[test]
fn has_a_name_scopes_and_a_hash() {
    for name in ["", " ", &"x".repeat(101)] {
        assert_eq!(refused(Terms { name: name.into(), ..terms() }), No::BadName);
    }
    assert_eq!(refused(Terms { scopes: scopes([]), ..terms() }), No::BadScopes);
    let many = (0..101).map(|i| format!("a:{}", "b".repeat(i + 1))).collect();
    assert_eq!(refused(Terms { scopes: many, ..terms() }), No::BadScopes);
    for hash in ["", &"0".repeat(63), &"A".repeat(64), &"g".repeat(64)] {
        assert_eq!(refused(Terms { secret_hash: hash.into(), ..terms() }), No::BadHash);
    }
}

#[test]
fn takes_scopes_of_one_form_only() {
    for good in ["*", "order:place", "api_key:manage", "history:write"] {
        let terms = Terms { scopes: scopes([good]), ..terms() };
        assert!(given::<ApiKey>([]).when(C::Issue(terms)).is_ok(), "{good}");
    }
    for bad in ["", "order", "order:", ":place", "Order:place", "a:b:c", "order:*", "a b:c", "**"] {
        assert_eq!(refused(Terms { scopes: scopes([bad]), ..terms() }), No::BadScope(bad.into()));
    }
}

#[test]
fn is_usable_until_it_expires_or_is_revoked() {
    let issued = given::<ApiKey>([E::Issued(terms())]);
    assert_eq!(issued.0.usable(at(59)), Some(&terms()));
    assert_eq!(issued.0.usable(at(60)), None);
    let revoked = issued.and(C::Revoke);
    assert_eq!(revoked.0.usable(at(0)), None);
    assert_eq!(ApiKey::default().usable(at(0)), None);

    let lasting = Terms { expires_at: None, ..terms() };
    assert_eq!(given::<ApiKey>([E::Issued(lasting.clone())]).0.usable(at(1_000_000)), Some(&lasting));
}

#[test]
fn is_revoked_once_and_for_good() {
    assert_eq!(given::<ApiKey>([E::Issued(terms())]).when(C::Revoke), Ok(vec![E::Revoked]));
    let revoked = given::<ApiKey>([E::Issued(terms()), E::Revoked]);
    assert_eq!(revoked.when(C::Revoke), Ok(vec![]));
    assert_eq!(given::<ApiKey>([]).when(C::Revoke), Err(No::Unknown));
}

fn rotate(hash: &str, keep_until: i64) -> C {
    C::Rotate { secret_hash: hash.into(), keep_until: at(keep_until), at: at(0) }
}

#[test]
fn has_two_secrets_at_most_while_it_is_rotated() {
    let (second, third) = ("0b".repeat(32), "0c".repeat(32));
    let lasting = Terms { expires_at: None, ..terms() };
    let issued = given::<ApiKey>([E::Issued(lasting)]);
    let hashes = |key: &ApiKey, second| key.secret_hashes(at(second)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(hashes(&issued.0, 0), [terms().secret_hash]);
    assert_eq!(issued.when(rotate(&terms().secret_hash, 10)), Ok(vec![]));
    let rotated = E::Rotated { secret_hash: second.clone(), kept_until: at(10) };
    assert_eq!(issued.when(rotate(&second, 10)), Ok(vec![rotated]));
    let twice = issued.and(rotate(&second, 10));
    assert_eq!(hashes(&twice.0, 9), [second.clone(), terms().secret_hash]);
    assert_eq!(hashes(&twice.0, 10), [second.as_str()]);
    let thrice = twice.and(rotate(&third, 10));
    assert_eq!(hashes(&thrice.0, 9), [third, second]);
    assert_eq!(hashes(&thrice.and(C::Revoke).0, 9), [""; 0]);
}

#[test]
fn is_rotated_while_it_is_good_and_keeps_no_secret_for_long() {
    let issued = given::<ApiKey>([E::Issued(terms())]);
    assert_eq!(issued.when(rotate("x", 10)), Err(No::BadHash));
    assert!(issued.when(rotate(&"0b".repeat(32), 7 * 86_400)).is_ok());
    assert_eq!(issued.when(rotate(&"0b".repeat(32), 7 * 86_400 + 1)), Err(No::KeptTooLong));
    assert_eq!(issued.and(C::Revoke).when(rotate(&"0b".repeat(32), 10)), Err(No::Revoked));
    assert_eq!(given::<ApiKey>([]).when(rotate(&"0b".repeat(32), 10)), Err(No::Unknown));
}

#[test]
fn is_used_from_its_networks_only() {
    let bound = |networks: &[&str]| Terms {
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        ..terms()
    };
    let admits = |networks: &[&str], from: &str| bound(networks).admit(from.parse().unwrap());
    assert!(admits(&[], "203.0.113.9"));
    assert!(admits(&["10.1.0.0/16", "192.0.2.7"], "10.1.255.3"));
    assert!(admits(&["192.0.2.7"], "::ffff:192.0.2.7"));
    assert!(!admits(&["192.0.2.7"], "192.0.2.8"));
    assert!(!admits(&["10.1.0.0/16"], "10.2.0.1"));
    assert!(admits(&["0.0.0.0/0"], "203.0.113.9"));
    assert!(!admits(&["0.0.0.0/0"], "2001:db8::1"));
    assert!(admits(&["2001:db8::/32"], "2001:db8:ffff::1"));
    assert!(!admits(&["2001:db8::/32"], "2001:db9::1"));
    assert!(!admits(&["::/0"], "203.0.113.9"));
    let many: Vec<String> = (0..51).map(|n| format!("10.0.0.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(bound(&many)), No::BadNetworks);
    assert!(given::<ApiKey>([]).when(C::Issue(bound(&many[..50]))).is_ok());
}

#[test]
fn a_network_is_written_in_one_way() {
    for bad in [
        "",
        "10.1.0.0/33",
        "10.1/16",
        "10.1.0.0/",
        "10.1.0.0/+8",
        "10.1.0.0/08",
        "::/129",
        "a/8",
        "::ffff:1.2.3.4",
    ] {
        assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad}");
    }
    assert_eq!("10.1.0.0/16".parse::<Network>().unwrap().to_string(), "10.1.0.0/16");
    assert_eq!("192.0.2.7".parse::<Network>().unwrap().to_string(), "192.0.2.7/32");
}

#[test]
fn says_what_sort_of_no_it_is() {
    assert_eq!(No::Unknown.kind(), Kind::Missing);
    assert_eq!(No::AlreadyIssued.kind(), Kind::Conflict);
    assert_eq!(No::Revoked.kind(), Kind::Conflict);
    for invalid in
        [No::BadName, No::BadScopes, No::BadScope("x".into()), No::BadHash, No::BadNetworks, No::KeptTooLong]
    {
        assert_eq!(invalid.kind(), Kind::Invalid);
    }
    assert_eq!(No::BadScope("x".into()).as_ref(), "bad_scope");
}

#[test]
fn its_events_on_disk() {
    let lasting = Terms { expires_at: None, scopes: scopes(["*"]), ..terms() };
    let hash = "0a".repeat(32);
    for (event, json) in [
        (
            E::Issued(terms()),
            format!(
                r#"{{"type":"Issued","name":"shop","scopes":["cart:manage","order:place"],"secret_hash":"{hash}","expires_at":"2023-11-14T22:14:20Z"}}"#
            ),
        ),
        (
            E::Issued(lasting),
            format!(r#"{{"type":"Issued","name":"shop","scopes":["*"],"secret_hash":"{hash}"}}"#),
        ),
        (E::Revoked, r#"{"type":"Revoked"}"#.to_owned()),
        (
            E::Issued(Terms {
                networks: ["10.1.0.0/16".parse().unwrap()].into(),
                expires_at: None,
                ..terms()
            }),
            format!(
                r#"{{"type":"Issued","name":"shop","scopes":["cart:manage","order:place"],"secret_hash":"{hash}","networks":["10.1.0.0/16"]}}"#
            ),
        ),
        (
            E::Rotated { secret_hash: hash.clone(), kept_until: at(0) },
            format!(r#"{{"type":"Rotated","secret_hash":"{hash}","kept_until":"2023-11-14T22:13:20Z"}}"#),
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
