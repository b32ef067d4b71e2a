//! Envelope: opens where it was sealed for, and nowhere else.

use domain::ids::{CustomerId, WorkspaceId};
use domain::pii::Class;
use proptest::prelude::*;

use super::*;

const PLACE: Place = Place { events: "identity.account", field: "email", class: Class::Contact };

fn whose(workspace: u128, person: u128) -> Whose {
    let person = CustomerId::from_uuid(Uuid::from_u128(person));
    Whose::new(WorkspaceId::from_uuid(Uuid::from_u128(workspace)), person)
}

fn fixed(byte: u8) -> Secret {
    Zeroizing::new([byte; 32])
}

proptest! {
    #[test]
    fn comes_back_as_it_went(text in ".{0,300}", key: u128, workspace: u128, person: u128) {
        let (secret, key, whose) = (secret(), Uuid::from_u128(key), whose(workspace, person));
        let sealed = seal(&secret, key, &whose, PLACE, &text).unwrap();
        prop_assert_eq!(key_of(&sealed), Ok(key));
        prop_assert_eq!(open(&secret, key, &whose, PLACE, &sealed), Ok(text));
    }

    #[test]
    fn opens_nowhere_else(text in ".{0,40}", key: u128, workspace: u128, person: u128, other: u128) {
        prop_assume!(other != key && other != workspace && other != person);
        let (secret, id, own) = (secret(), Uuid::from_u128(key), whose(workspace, person));
        let sealed = seal(&secret, id, &own, PLACE, &text).unwrap();
        let opened = |secret: &Secret, key: u128, whose: &Whose, place: Place| {
            open(secret, Uuid::from_u128(key), whose, place, &sealed)
        };
        for refused in [
            opened(&super::secret(), key, &own, PLACE),
            opened(&secret, other, &own, PLACE),
            opened(&secret, key, &whose(other, person), PLACE),
            opened(&secret, key, &whose(workspace, other), PLACE),
            opened(&secret, key, &own, Place { events: "identity.profile", ..PLACE }),
            opened(&secret, key, &own, Place { field: "name", ..PLACE }),
            opened(&secret, key, &own, Place { class: Class::Legal, ..PLACE }),
            // The same letters, divided otherwise.
            opened(&secret, key, &own, Place { events: "identity.accounte", field: "mail", ..PLACE }),
        ] {
            prop_assert_eq!(refused, Err(Forged));
        }
    }

    #[test]
    fn a_changed_letter_is_noticed(text in ".{0,40}", place: prop::sample::Index, letter in "[A-Za-z0-9_-]") {
        let (secret, key, whose) = (secret(), Uuid::nil(), whose(1, 1));
        let sealed = seal(&secret, key, &whose, PLACE, &text).unwrap();
        let (id, body) = sealed.parts();
        let place = place.index(body.len());
        prop_assume!(body[place..=place] != letter);
        let changed = format!("{}{letter}{}", &body[..place], &body[place + 1..]);
        let changed = Sealed::of_parts(id, &changed).unwrap();
        prop_assert_eq!(open(&secret, key, &whose, PLACE, &changed), Err(Forged));
    }

    #[test]
    fn a_key_is_unwrapped_by_its_epoch_and_for_itself(number in 1..i64::MAX, key: u128, other: u128) {
        prop_assume!(key != other);
        let name = KeyName { workspace: Uuid::nil(), subject: "cus_x", class: "contact", key: Uuid::from_u128(key) };
        let (epoch, dek) = (Epoch { number, secret: secret() }, secret());
        let wrapped = epoch.wrap(name, &dek);
        prop_assert_eq!(epoch.unwrap(name, &wrapped), Ok(dek));
        for refused in [
            Epoch { number: number - 1, secret: epoch.secret.clone() }.unwrap(name, &wrapped),
            Epoch { number, secret: secret() }.unwrap(name, &wrapped),
            epoch.unwrap(KeyName { key: Uuid::from_u128(other), ..name }, &wrapped),
            epoch.unwrap(KeyName { subject: "cus_y", ..name }, &wrapped),
            epoch.unwrap(KeyName { class: "legal", ..name }, &wrapped),
            epoch.unwrap(KeyName { workspace: Uuid::max(), ..name }, &wrapped),
        ] {
            prop_assert_eq!(refused, Err(Forged));
        }
    }
}

#[test]
fn its_form_is_for_ever() {
    // Made by another implementation of the same: whatever changes must still open it.
    let sealed: Sealed = PINNED.parse().unwrap();
    let (key, whose) = (Uuid::from_u128(5), whose(1, 2));
    assert_eq!(key_of(&sealed), Ok(key));
    assert_eq!(open(&fixed(7), key, &whose, PLACE, &sealed), Ok("jane@example.com".to_owned()));
}

const PINNED: &str = "pii1.AAAAAAAAAAAAAAAAAAAABQ.AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYQsVe8EWdE4vWCvHp1hmazEERoE4XEb2TEbaMZ3VnYG7dCIKT3A-oklNRnT2FmLB_VfcU1xlBkbkU2yuIarb0EvyWOI9-sEPCdQa8DqUkc5s";

#[test]
fn its_keyed_hashes_are_for_ever() {
    assert_eq!(hex::encode(hash(&fixed(7), "email", "jane@example.com")), HASHED);
    assert_ne!(hash(&fixed(7), "email", "x"), hash(&fixed(8), "email", "x"));
    assert_ne!(hash(&fixed(7), "email", "x"), hash(&fixed(7), "emailx", ""));
}

const HASHED: &str = "67b4c2465c9ef4d4138829ac1ed03f105dcec6ce7f9faa912ec99c27ada61303";

#[test]
fn its_length_says_little() {
    let length = |bytes: usize| {
        let sealed = seal(&fixed(7), Uuid::nil(), &whose(1, 1), PLACE, &"x".repeat(bytes)).unwrap();
        sealed.as_str().len()
    };
    assert_eq!(length(0), length(12));
    assert_eq!(length(13), length(60));
    assert!(length(12) < length(13) && length(60) < length(61));
    assert!(length(LONGEST) < 22_000);
    assert!(seal(&fixed(7), Uuid::nil(), &whose(1, 1), PLACE, &"x".repeat(LONGEST + 1)).is_none());
}

#[test]
fn no_nonce_is_used_twice() {
    let bodies: std::collections::HashSet<Vec<u8>> =
        (0..10_000).map(|_| encrypt(&fixed(7), b"", b"")[..NONCE].to_vec()).collect();
    assert_eq!(bodies.len(), 10_000);
}
