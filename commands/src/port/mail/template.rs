//! Templates: letters in each language, as plain text and as HTML, from `commands/templates/mail/`.
//!
//! A letter's file is `<letter>.<language>.txt`, its first line the subject, and `<letter>.<language>.html`, in the frame
//! `frame.html`. What a template wants and does not get is an error, and not an empty place; HTML is escaped.

use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use strum::AsRefStr;
use uuid::Uuid;

use super::{Language, Message};

/// What is written to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, AsRefStr)]
#[serde(untagged)]
#[strum(serialize_all = "snake_case")]
pub enum Letter {
    /// Somebody has signed up with this address, or wants it from now on.
    VerifyEmail { link: String, hours: u32 },
    /// Somebody has signed up with an address that has an account.
    AlreadyRegistered { link: String },
    /// An account shall have another address, which both mailboxes have to agree to.
    ChangeEmail { link: String, minutes: u32 },
    /// Somebody has forgotten a password.
    ResetPassword { link: String, minutes: u32 },
    /// A password was changed: its owner hears of it, whoever did it.
    PasswordChanged { link: String },
    /// A member of a workspace wants somebody in it.
    Invitation { inviter: String, workspace: String, link: String, days: u32 },
}

/// A letter that cannot be written: a mistake of ours.
#[derive(Debug, thiserror::Error)]
#[error("the letter {letter} cannot be written in `{language}`")]
pub struct Unwritable {
    letter: String,
    language: String,
    #[source]
    source: minijinja::Error,
}

/// Writes a letter to an address. The id is that of the event which it follows from, or made of it.
///
/// # Errors
/// [`Unwritable`].
pub fn write(id: Uuid, to: &str, language: Language, letter: &Letter) -> Result<Message, Unwritable> {
    let letter = &letter.clone().with_names_on_one_line();
    let render = |form: &str| {
        let name = format!("{}.{}.{form}", letter.as_ref(), language.as_ref());
        let context = Context { language: language.as_ref(), letter };
        ENVIRONMENT.get_template(&name)?.render(Serde(context))
    };
    let unwritable = |source| Unwritable {
        letter: letter.as_ref().to_owned(),
        language: language.as_ref().to_owned(),
        source,
    };
    let text = render("txt").map_err(unwritable)?;
    let html = render("html").map_err(unwritable)?;
    let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
    Ok(Message {
        id,
        to: to.to_owned(),
        language,
        subject: subject.to_owned(),
        text: text.trim_start().to_owned(),
        html,
    })
}

impl Letter {
    /// A name may hold anything, and stands in the subject, which is one line.
    fn with_names_on_one_line(mut self) -> Self {
        if let Self::Invitation { inviter, workspace, .. } = &mut self {
            for name in [inviter, workspace] {
                *name = name.replace(char::is_control, " ");
            }
        }
        self
    }
}

#[derive(Serialize)]
struct Context<'a> {
    language: &'a str,
    #[serde(flatten)]
    letter: &'a Letter,
}

macro_rules! templates {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../templates/mail/", $name)))),*]
    };
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    for (name, source) in templates![
        "frame.html"
        "verify_email.en.txt" "verify_email.en.html" "verify_email.de.txt" "verify_email.de.html"
        "already_registered.en.txt" "already_registered.en.html"
        "already_registered.de.txt" "already_registered.de.html"
        "change_email.en.txt" "change_email.en.html" "change_email.de.txt" "change_email.de.html"
        "reset_password.en.txt" "reset_password.en.html" "reset_password.de.txt" "reset_password.de.html"
        "password_changed.en.txt" "password_changed.en.html" "password_changed.de.txt" "password_changed.de.html"
        "invitation.en.txt" "invitation.en.html" "invitation.de.txt" "invitation.de.html"
    ] {
        environment
            .add_template(name, source)
            .expect("the templates are compiled in, and a test renders them all");
    }
    environment
});

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://mewayz.example/v?a=1&b=2";

    fn letters() -> [Letter; 6] {
        let link = || LINK.to_owned();
        [
            Letter::VerifyEmail { link: link(), hours: 24 },
            Letter::AlreadyRegistered { link: link() },
            Letter::ChangeEmail { link: link(), minutes: 60 },
            Letter::ResetPassword { link: link(), minutes: 10 },
            Letter::PasswordChanged { link: link() },
            Letter::Invitation {
                inviter: "Zoë <b>".into(),
                workspace: "Tea & Co\r\nBcc: all@example.com".into(),
                link: link(),
                days: 7,
            },
        ]
    }

    #[test]
    fn every_letter_is_written_in_every_language_as_text_and_as_html() {
        let mut subjects = std::collections::BTreeSet::new();
        for letter in letters() {
            for language in [Language::En, Language::De] {
                let written = write(Uuid::nil(), "jane@example.com", language, &letter).unwrap();
                assert!(written.text.contains(LINK), "{}", written.text);
                assert!(written.html.contains("&amp;b=2"), "{}", written.html);
                assert!(written.html.contains(&format!(r#"lang="{}""#, language.as_ref())));
                assert!(!written.subject.is_empty() && !written.text.is_empty());
                assert!(subjects.insert(written.subject), "two letters have one subject");
            }
        }
    }

    #[test]
    fn names_can_neither_mark_up_a_letter_nor_add_a_header() {
        let [.., invitation] = letters();
        let written = write(Uuid::nil(), "jane@example.com", Language::En, &invitation).unwrap();
        assert_eq!(written.subject, "Zoë <b> invites you to Tea & Co  Bcc: all@example.com");
        assert!(written.html.contains("Zoë &lt;b&gt;") && !written.html.contains("<b>"), "{}", written.html);
    }
}
