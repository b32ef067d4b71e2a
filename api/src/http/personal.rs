//! Personal data, as whoever asks may see it.
//!
//! A value is told with its state, so that nobody takes what cannot be read now for what was erased: only the vault's
//! own word that a key was destroyed makes something `erased`.

use commands::port::vault::{Ask, Vault};
use domain::pii::{Field, Opened, Pii, Whose};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether a value of personal data can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonalState {
    /// It is told.
    Plain,
    /// It is gone for good.
    Erased,
    /// It is not yours to read.
    Denied,
    /// It cannot be read at the moment: ask again.
    Unavailable,
}

/// A value of personal data.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PersonalText {
    pub state: PersonalState,
    /// What it says, if it is `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Never what it says.
impl std::fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({:?})", self.state)
    }
}

impl From<Opened> for PersonalText {
    fn from(opened: Opened) -> Self {
        let state = match opened {
            Opened::Plain(_) => PersonalState::Plain,
            Opened::Erased => PersonalState::Erased,
            Opened::Denied => PersonalState::Denied,
            Opened::Unavailable => PersonalState::Unavailable,
        };
        Self { state, value: opened.plain() }
    }
}

/// Several values that are opened in one go: each is put in, then all are opened and taken out in the same order.
pub struct Opening<'a> {
    whose: &'a Whose,
    asks: Vec<Ask>,
    there: Vec<bool>,
}

impl<'a> Opening<'a> {
    #[must_use]
    pub fn of(whose: &'a Whose) -> Self {
        Self { whose, asks: Vec::new(), there: Vec::new() }
    }

    /// One more, or that there is none.
    #[must_use]
    pub fn and<F: Field>(mut self, value: Option<&Pii<F>>) -> Self {
        self.asks.extend(value.map(|value| Ask::of(self.whose, value)));
        self.there.push(value.is_some());
        self
    }

    /// What they say, in the order in which they were put in.
    pub async fn open(self, vault: &dyn Vault) -> impl Iterator<Item = Option<PersonalText>> {
        let opened = if self.asks.is_empty() { Vec::new() } else { vault.open(&self.asks).await };
        let mut opened = opened.into_iter().map(PersonalText::from);
        self.there.into_iter().map(move |is_there| is_there.then(|| opened.next()).flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_with_its_state_and_shows_in_no_log() {
        let json = |opened: Opened| serde_json::to_string(&PersonalText::from(opened)).unwrap();
        assert_eq!(json(Opened::Plain("Jane".into())), r#"{"state":"plain","value":"Jane"}"#);
        assert_eq!(json(Opened::Erased), r#"{"state":"erased"}"#);
        assert_eq!(json(Opened::Denied), r#"{"state":"denied"}"#);
        assert_eq!(json(Opened::Unavailable), r#"{"state":"unavailable"}"#);
        let debug = format!("{:?}", PersonalText::from(Opened::Plain("Jane".into())));
        assert_eq!(debug, "(Plain)");
    }
}
