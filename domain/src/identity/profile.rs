//! Profile: how a person is called, and how they like to be spoken to.
//!
//! Its id is the account's, and its streams lie in the platform's workspace. What is about the person is sealed; how
//! they read (locale, time zone) and what they prefer is not: preferences are words of programs, no text of people's.
//! Only what is named in a change changes. Saying again what holds decides nothing, save for what is sealed: nobody
//! here can tell whether two sealed values are the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::AccountId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::locale::{Locale, TimeZone};
use crate::pii::Pii;
use crate::{personal, sourced};

personal! {
    /// How a person is called.
    pub Name = "identity.profile", "name", Contact;
    pub Phone = "identity.profile", "phone", Contact;
    /// Where a person lives, in the lines of a letter.
    pub PostalAddress = "identity.profile", "postal_address", Contact;
}

/// How many preferences a person may have.
pub const MAX_PREFERENCES: usize = 100;
/// The longest name or value of a preference.
pub const MAX_WORD: usize = 64;

/// What is to be: left as it is, cleared, or set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Change<T> {
    Clear,
    Set(T),
}

/// What is to change, at least something.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Changes {
    pub name: Option<Change<Pii<Name>>>,
    pub phone: Option<Change<Pii<Phone>>>,
    pub postal_address: Option<Change<Pii<PostalAddress>>>,
    pub locale: Option<Locale>,
    pub time_zone: Option<TimeZone>,
    /// By name: none removes it.
    pub preferences: BTreeMap<String, Option<String>>,
}

/// What may be asked of a profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ProfileCommand {
    Update(Changes),
}

/// A field that can be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileField {
    Name,
    Phone,
    PostalAddress,
}

/// What has happened to a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum ProfileEvent {
    Named { name: Pii<Name> },
    PhoneSet { phone: Pii<Phone> },
    PostalAddressSet { postal_address: Pii<PostalAddress> },
    Cleared { field: ProfileField },
    LocaleSet { locale: Locale },
    TimeZoneSet { time_zone: TimeZone },
    PreferenceSet { name: String, value: String },
    PreferenceRemoved { name: String },
}

/// Why a profile says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum ProfileRefusal {
    #[error("a preference has a name and a value, each 1 to {MAX_WORD} of a-z A-Z 0-9 . _ : + -")]
    BadPreference,
    #[error("there are at most {MAX_PREFERENCES} preferences")]
    TooMany,
}

/// A profile, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    name: Option<Pii<Name>>,
    phone: Option<Pii<Phone>>,
    postal_address: Option<Pii<PostalAddress>>,
    locale: Option<Locale>,
    time_zone: Option<TimeZone>,
    preferences: BTreeMap<String, String>,
}

impl Profile {
    /// How the person is called, if they said so.
    #[must_use]
    pub fn name(&self) -> Option<&Pii<Name>> {
        self.name.as_ref()
    }

    /// How the person reads, if they said so.
    #[must_use]
    pub fn locale(&self) -> Option<&Locale> {
        self.locale.as_ref()
    }
}

/// The event of a field that can be empty, if anything changes.
fn event_of<T>(
    present: Option<&T>,
    change: Option<Change<T>>,
    field: ProfileField,
    set: fn(T) -> ProfileEvent,
) -> Option<ProfileEvent> {
    match change? {
        Change::Set(value) => Some(set(value)),
        Change::Clear => present.map(|_| ProfileEvent::Cleared { field }),
    }
}

impl Decider for Profile {
    const NAME: &'static str = "identity.profile";
    type Id = AccountId;
    type Command = ProfileCommand;
    type Event = ProfileEvent;
    type Refusal = ProfileRefusal;

    fn decide(&self, command: ProfileCommand) -> Result<Vec<ProfileEvent>, ProfileRefusal> {
        use {ProfileEvent as E, ProfileField as F};
        let ProfileCommand::Update(changes) = command;
        let preferences = self.preferred(changes.preferences)?;
        let postal = |postal_address| E::PostalAddressSet { postal_address };
        let fields = [
            event_of(self.name.as_ref(), changes.name, F::Name, |name| E::Named { name }),
            event_of(self.phone.as_ref(), changes.phone, F::Phone, |phone| E::PhoneSet { phone }),
            event_of(self.postal_address.as_ref(), changes.postal_address, F::PostalAddress, postal),
            changes
                .locale
                .filter(|new| Some(new) != self.locale.as_ref())
                .map(|locale| E::LocaleSet { locale }),
            changes
                .time_zone
                .filter(|new| Some(new) != self.time_zone.as_ref())
                .map(|time_zone| E::TimeZoneSet { time_zone }),
        ];
        Ok(fields.into_iter().flatten().chain(preferences).collect())
    }

    fn evolve(&mut self, event: ProfileEvent) {
        match event {
            ProfileEvent::Named { name } => self.name = Some(name),
            ProfileEvent::PhoneSet { phone } => self.phone = Some(phone),
            ProfileEvent::PostalAddressSet { postal_address } => self.postal_address = Some(postal_address),
            ProfileEvent::Cleared { field: ProfileField::Name } => self.name = None,
            ProfileEvent::Cleared { field: ProfileField::Phone } => self.phone = None,
            ProfileEvent::Cleared { field: ProfileField::PostalAddress } => self.postal_address = None,
            ProfileEvent::LocaleSet { locale } => self.locale = Some(locale),
            ProfileEvent::TimeZoneSet { time_zone } => self.time_zone = Some(time_zone),
            ProfileEvent::PreferenceSet { name, value } => _ = self.preferences.insert(name, value),
            ProfileEvent::PreferenceRemoved { name } => _ = self.preferences.remove(&name),
        }
    }
}

impl Profile {
    fn preferred(
        &self,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<Vec<ProfileEvent>, ProfileRefusal> {
        let mut after = self.preferences.clone();
        let mut events = Vec::new();
        for (name, value) in changes {
            if !is_word(&name) || !value.as_deref().is_none_or(is_word) {
                return Err(ProfileRefusal::BadPreference);
            }
            match value {
                Some(value) if after.get(&name) == Some(&value) => {}
                Some(value) => {
                    after.insert(name.clone(), value.clone());
                    events.push(ProfileEvent::PreferenceSet { name, value });
                }
                None if after.remove(&name).is_some() => {
                    events.push(ProfileEvent::PreferenceRemoved { name })
                }
                None => {}
            }
        }
        if after.len() > MAX_PREFERENCES { Err(ProfileRefusal::TooMany) } else { Ok(events) }
    }
}

fn is_word(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'+' | b'-');
    (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(is_part)
}

impl Event for ProfileEvent {}

impl Refusal for ProfileRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::BadPreference | Self::TooMany => Kind::Invalid,
        }
    }
}

sourced!(Profile, ProfileEvent);

#[cfg(test)]
mod tests {
    use super::{ProfileEvent as E, ProfileRefusal as No, *};
    use crate::kernel::given;

    const TEXT: &str = concat!(
        "pii1.kkkkkkkkkkkkkkkkkkkkkk.",
        "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    );

    fn sealed<F: crate::pii::Field>() -> Pii<F> {
        Pii::new(TEXT.parse().unwrap())
    }

    fn update(changes: Changes) -> ProfileCommand {
        ProfileCommand::Update(changes)
    }

    fn prefer(all: &[(&str, Option<&str>)]) -> ProfileCommand {
        let own = |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        update(Changes { preferences: all.iter().map(own).collect(), ..Changes::default() })
    }

    fn preferred(name: &str, value: &str) -> E {
        E::PreferenceSet { name: name.into(), value: value.into() }
    }

    fn full() -> Changes {
        Changes {
            name: Some(Change::Set(sealed())),
            phone: Some(Change::Set(sealed())),
            postal_address: Some(Change::Set(sealed())),
            locale: Some("de-CH".parse().unwrap()),
            time_zone: Some("Europe/Zurich".parse().unwrap()),
            preferences: [("theme".to_owned(), Some("dark".to_owned()))].into(),
        }
    }

    fn all_set() -> Vec<E> {
        vec![
            E::Named { name: sealed() },
            E::PhoneSet { phone: sealed() },
            E::PostalAddressSet { postal_address: sealed() },
            E::LocaleSet { locale: "de-CH".parse().unwrap() },
            E::TimeZoneSet { time_zone: "Europe/Zurich".parse().unwrap() },
            preferred("theme", "dark"),
        ]
    }

    #[test]
    fn only_what_is_named_changes() {
        assert_eq!(given::<Profile>([]).when(update(full())), Ok(all_set()));
        assert_eq!(given::<Profile>(all_set()).when(update(Changes::default())), Ok(vec![]));
        let known = given::<Profile>(all_set());
        assert_eq!((known.0.name(), known.0.locale()), (Some(&sealed()), Some(&"de-CH".parse().unwrap())));
        let same = Changes { name: None, phone: None, postal_address: None, ..full() };
        assert_eq!(known.when(update(same)), Ok(vec![]));
    }

    #[test]
    fn a_field_is_cleared_once() {
        let clear = || Changes {
            name: Some(Change::Clear),
            phone: Some(Change::Clear),
            postal_address: Some(Change::Clear),
            ..Changes::default()
        };
        let fields = [ProfileField::Name, ProfileField::Phone, ProfileField::PostalAddress];
        let cleared: Vec<E> = fields.into_iter().map(|field| E::Cleared { field }).collect();
        assert_eq!(given::<Profile>(all_set()).when(update(clear())), Ok(cleared));
        assert_eq!(given::<Profile>(all_set()).and(update(clear())).when(update(clear())), Ok(vec![]));
        assert_eq!(given::<Profile>([]).when(update(clear())), Ok(vec![]));
    }

    #[test]
    fn preferences_are_few_and_short() {
        let some = given::<Profile>([preferred("theme", "dark")]);
        assert_eq!(some.when(prefer(&[("theme", Some("dark"))])), Ok(vec![]));
        assert_eq!(some.when(prefer(&[("theme", Some("light"))])), Ok(vec![preferred("theme", "light")]));
        let removed = E::PreferenceRemoved { name: "theme".into() };
        assert_eq!(some.when(prefer(&[("theme", None)])), Ok(vec![removed]));
        assert_eq!(some.when(prefer(&[("other", None)])), Ok(vec![]));
        for bad in ["", "a b", "ü", "a@b", &"a".repeat(65)] {
            assert_eq!(some.when(prefer(&[(bad, Some("x"))])), Err(No::BadPreference), "{bad}");
            assert_eq!(some.when(prefer(&[("x", Some(bad))])), Err(No::BadPreference), "{bad}");
        }
        let many = given::<Profile>((0..100).map(|n| preferred(&format!("p{n}"), "x")));
        assert_eq!(many.when(prefer(&[("one.more", Some("x"))])), Err(No::TooMany));
        assert_eq!(many.when(prefer(&[("one.more", Some("x")), ("p1", None)])).map(|e| e.len()), Ok(2));
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        for no in [No::BadPreference, No::TooMany] {
            assert_eq!(no.kind(), Kind::Invalid);
        }
        assert_eq!(No::TooMany.as_ref(), "too_many");
    }

    #[test]
    fn its_events_on_disk() {
        let removed = E::PreferenceRemoved { name: "theme".into() };
        let cleared = E::Cleared { field: ProfileField::PostalAddress };
        let jsons = [
            format!(r#"{{"type":"Named","name":"{TEXT}"}}"#),
            format!(r#"{{"type":"PhoneSet","phone":"{TEXT}"}}"#),
            format!(r#"{{"type":"PostalAddressSet","postal_address":"{TEXT}"}}"#),
            r#"{"type":"LocaleSet","locale":"de-CH"}"#.into(),
            r#"{"type":"TimeZoneSet","time_zone":"Europe/Zurich"}"#.into(),
            r#"{"type":"PreferenceSet","name":"theme","value":"dark"}"#.into(),
            r#"{"type":"PreferenceRemoved","name":"theme"}"#.into(),
            r#"{"type":"Cleared","field":"postal_address"}"#.into(),
        ];
        for (event, json) in all_set().into_iter().chain([removed, cleared]).zip(jsons) {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        }
    }
}
