//! Personal data: fields of events that are written encrypted, and end with their key (docs/adr/0017).
//!
//! A field is declared once ([`personal!`](crate::personal)) and stands in events as [`Pii`]: an opaque text. What it
//! says is known to nobody here, so no rule can depend on it, and destroying a key changes no decision.
//! Two sealings of one text differ: whether two values are the same is asked of a [`Lookup`], never of a [`Pii`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{AsRefStr, EnumString};

use crate::ids::{TypedId, WorkspaceId};

/// The longest text that can be sealed, in bytes.
pub const LONGEST: usize = 16 * 1024 - 4;

/// What sort of personal data a field holds. Each person has a key for each, so one can go while another stays.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsRefStr, EnumString,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DataClass))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// How a person is called and reached: name, e-mail, telephone, address.
    Contact,
    /// What a person has written or others have written about them.
    Content,
    /// What they leave behind by passing: addresses of the network, devices.
    Trace,
    /// What the law wants kept for a time, also against the person's wish: who an invoice is made out to.
    Legal,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::Contact, Self::Content, Self::Trace, Self::Legal];
}

/// A field of personal data in the events of one capability.
pub trait Field: Send + Sync + 'static {
    /// Whose events it stands in: `<context>.<capability>`.
    const EVENTS: &'static str;
    const NAME: &'static str;
    const CLASS: Class;
}

/// Declares fields of personal data.
///
/// ```
/// domain::personal! {
///     /// Where an account gets its mail.
///     pub Email = "identity.account", "email", Contact;
/// }
/// ```
#[macro_export]
macro_rules! personal {
    ($($(#[$doc:meta])* $vis:vis $name:ident = $events:literal, $field:literal, $class:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $vis enum $name {}

        impl $crate::pii::Field for $name {
            const EVENTS: &'static str = $events;
            const NAME: &'static str = $field;
            const CLASS: $crate::pii::Class = $crate::pii::Class::$class;
        }
    )*};
}

/// Where a value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// `<context>.<capability>`.
    pub events: &'static str,
    pub field: &'static str,
    pub class: Class,
}

impl Place {
    #[must_use]
    pub const fn of<F: Field>() -> Self {
        Self { events: F::EVENTS, field: F::NAME, class: F::CLASS }
    }
}

/// A person that data is about: the text of a typed id, never anything made of the data itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SubjectId(String);

/// A text that is no id of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a person's id is 2 to 5 lower-case letters, `_`, and 26 characters of 0-9 a-z")]
pub struct NotASubject;

impl SubjectId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<I: TypedId> From<I> for SubjectId {
    fn from(id: I) -> Self {
        Self(id.to_string())
    }
}

impl FromStr for SubjectId {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, NotASubject> {
        let is_id = text.split_once('_').is_some_and(|(prefix, rest)| {
            (2..=5).contains(&prefix.len())
                && prefix.bytes().all(|b| b.is_ascii_lowercase())
                && rest.len() == 26
                && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
        });
        if is_id { Ok(Self(text.to_owned())) } else { Err(NotASubject) }
    }
}

impl TryFrom<String> for SubjectId {
    type Error = NotASubject;

    fn try_from(text: String) -> Result<Self, NotASubject> {
        text.parse()
    }
}

impl From<SubjectId> for String {
    fn from(id: SubjectId) -> Self {
        id.0
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "schema")]
crate::schema::published!(SubjectId, crate::schema::subject());

/// Whose data: a person, as one workspace knows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Whose {
    pub workspace: WorkspaceId,
    pub subject: SubjectId,
}

impl Whose {
    pub fn new(workspace: WorkspaceId, subject: impl Into<SubjectId>) -> Self {
        Self { workspace, subject: subject.into() }
    }
}

/// What every envelope begins with: its form, which is for ever.
const FORM: &str = "pii1.";
/// The id of a key, 16 bytes in base64url.
const KEY: usize = 22;
/// Nonce, 16 bytes of padded text and tag: the shortest that there is, in base64url.
const SHORTEST_BODY: usize = 75;
/// The same with [`LONGEST`].
const LONGEST_BODY: usize = 21_899;

/// An encrypted value: `pii1.<key>.<nonce, ciphertext and tag>`, both base64url without padding.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sealed(String);

/// A text that is no encrypted value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("personal data is not written as text: this is no envelope of the form `pii1.<key>.<ciphertext>`")]
pub struct NotSealed;

impl Sealed {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's id and the ciphertext, in base64url.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0[FORM.len()..].split_once('.').unwrap_or_default()
    }

    /// An envelope of these parts, in base64url.
    ///
    /// # Errors
    /// [`NotSealed`] if they make none.
    pub fn of_parts(key: &str, body: &str) -> Result<Self, NotSealed> {
        format!("{FORM}{key}.{body}").parse()
    }
}

impl FromStr for Sealed {
    type Err = NotSealed;

    fn from_str(text: &str) -> Result<Self, NotSealed> {
        let is_base64 =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let (key, body) = text.strip_prefix(FORM).and_then(|rest| rest.split_once('.')).ok_or(NotSealed)?;
        let fits = key.len() == KEY && (SHORTEST_BODY..=LONGEST_BODY).contains(&body.len());
        if fits && is_base64(key) && is_base64(body) { Ok(Self(text.to_owned())) } else { Err(NotSealed) }
    }
}

impl TryFrom<String> for Sealed {
    type Error = NotSealed;

    fn try_from(text: String) -> Result<Self, NotSealed> {
        text.parse()
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        sealed.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sealed)")
    }
}

/// A field of personal data, as events and read models hold it.
pub struct Pii<F>(Sealed, PhantomData<fn() -> F>);

impl<F: Field> Pii<F> {
    /// A value that was sealed for this field.
    #[must_use]
    pub fn new(sealed: Sealed) -> Self {
        Self(sealed, PhantomData)
    }

    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.0
    }
}

impl<F> Clone for Pii<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<F> PartialEq for Pii<F> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<F> Eq for Pii<F> {}

impl<F> Hash for Pii<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<F: Field> fmt::Debug for Pii<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(sealed {})", F::NAME)
    }
}

impl<F> Serialize for Pii<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, F> Deserialize<'de> for Pii<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Sealed::deserialize(deserializer).map(|sealed| Self(sealed, PhantomData))
    }
}

/// A keyed hash by which something is found: 64 hexadecimal digits. The same text has another in another workspace,
/// and without the key nobody can try texts on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Lookup(String);

/// A text that is no keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a keyed hash is 64 lower-case hexadecimal digits")]
pub struct NotALookup;

impl Lookup {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Lookup {
    type Err = NotALookup;

    fn from_str(text: &str) -> Result<Self, NotALookup> {
        let is_hash = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash { Ok(Self(text.to_owned())) } else { Err(NotALookup) }
    }
}

impl TryFrom<String> for Lookup {
    type Error = NotALookup;

    fn try_from(text: String) -> Result<Self, NotALookup> {
        text.parse()
    }
}

impl From<Lookup> for String {
    fn from(lookup: Lookup) -> Self {
        lookup.0
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(keyed hash)")
    }
}

/// What a reader gets of a sealed value.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    Plain(String),
    /// Its key was destroyed, and the vault says so: it is gone for good.
    Erased,
    /// It is not this reader's to read, or was not sealed for where it stands.
    Denied,
    /// The key cannot be had now: nothing is known of it, least of all that it was erased.
    Unavailable,
}

impl Opened {
    /// What it says, if that can be read.
    #[must_use]
    pub fn plain(self) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Erased | Self::Denied | Self::Unavailable => None,
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "(plain)",
            Self::Erased => "Erased",
            Self::Denied => "Denied",
            Self::Unavailable => "Unavailable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CustomerId;
    use uuid::Uuid;

    crate::personal! {
        /// Where somebody gets their mail.
        Email = "test.somebody", "email", Contact;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum SomebodyEvent {
        Met { email: Pii<Email> },
    }

    fn envelope() -> String {
        format!("pii1.{}.{}", "k".repeat(22), "c".repeat(75))
    }

    #[test]
    fn stands_in_an_event_as_one_text() {
        let json = format!(r#"{{"type":"Met","email":"{}"}}"#, envelope());
        let event = SomebodyEvent::Met { email: Pii::new(envelope().parse().unwrap()) };
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<SomebodyEvent>(&json).unwrap(), event);
    }

    #[test]
    fn an_event_with_the_plain_text_is_no_event() {
        for text in [
            "jane@example.com",
            "",
            "pii1.",
            &envelope().replace("pii1", "pii2"),
            &envelope().replace("pii1.k", "pii1.+"),
            &envelope()[..envelope().len() - 1],
            &format!("{}=", envelope()),
            &format!("pii1.{}.{}", "k".repeat(22), "c".repeat(LONGEST_BODY + 1)),
        ] {
            assert_eq!(text.parse::<Sealed>(), Err(NotSealed), "{text}");
            let json = format!(r#"{{"type":"Met","email":"{text}"}}"#);
            assert!(serde_json::from_str::<SomebodyEvent>(&json).is_err(), "{text}");
        }
    }

    #[test]
    fn has_two_parts() {
        let sealed: Sealed = envelope().parse().unwrap();
        let (key, body) = sealed.parts();
        assert_eq!((key.len(), body.len()), (22, 75));
        assert_eq!(Sealed::of_parts(key, body), Ok(sealed.clone()));
        assert_eq!(Sealed::of_parts(body, key), Err(NotSealed));
    }

    #[test]
    fn shows_in_no_log() {
        let plain = Opened::Plain("jane@example.com".into());
        let event = SomebodyEvent::Met { email: Pii::new(envelope().parse().unwrap()) };
        let hash: Lookup = "0a".repeat(32).parse().unwrap();
        assert_eq!(
            format!("{plain:?} {event:?} {hash:?}"),
            "(plain) Met { email: (sealed email) } (keyed hash)"
        );
    }

    #[test]
    fn a_person_is_known_by_a_typed_id_and_by_nothing_else() {
        let id = CustomerId::from_uuid(Uuid::from_u128(7));
        assert_eq!(SubjectId::from(id).as_str().parse::<SubjectId>(), Ok(id.into()));
        for text in
            ["", "jane@example.com", "cus_", "c_01h455vb4pex5vsknk084sn02q", "cus_01h455vb4pex5vsknk084sn02Q"]
        {
            assert_eq!(text.parse::<SubjectId>(), Err(NotASubject), "{text}");
        }
    }

    #[test]
    fn a_keyed_hash_has_one_form() {
        assert!("0a".repeat(32).parse::<Lookup>().is_ok());
        for text in ["", &"0".repeat(63), &"A".repeat(64), "jane@example.com"] {
            assert_eq!(text.parse::<Lookup>(), Err(NotALookup));
        }
    }

    #[test]
    fn classes_have_names_that_stay() {
        let names: Vec<String> =
            Class::ALL.iter().map(|class| serde_json::to_string(class).unwrap()).collect();
        assert_eq!(names, [r#""contact""#, r#""content""#, r#""trace""#, r#""legal""#]);
        assert!(Class::ALL.iter().all(|class| class.as_ref().parse() == Ok(*class)));
    }
}
