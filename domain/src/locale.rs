//! Locale and time zone: how a person reads, and by which clock.
//!
//! Both are checked for their form only; whether a zone is in the time zone database is asked where that is at hand.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language, and perhaps a script and a region, as BCP 47 writes them: `en`, `pt-BR`, `zh-Hant-TW`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Locale(String);

/// A time zone by its name in the IANA database: `Europe/Berlin`, `UTC`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeZone(String);

/// A text that is no locale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a locale is a language of 2 or 3 letters, and perhaps a script and a region, as in pt-BR or zh-Hant-TW"
)]
pub struct NotALocale;

/// A text that is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time zone is a name of the IANA database, as in Europe/Berlin or UTC")]
pub struct NotATimeZone;

impl Locale {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its language alone: `pt` of `pt-BR`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

/// English, for whom we know nothing better of.
impl Default for Locale {
    fn default() -> Self {
        Self("en".into())
    }
}

impl TimeZone {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self("UTC".into())
    }
}

fn is_locale(text: &str) -> bool {
    let all = |part: &str, is: fn(&u8) -> bool| part.bytes().all(|byte| is(&byte));
    let is_script = |part: &str| {
        part.len() == 4 && all(&part[..1], u8::is_ascii_uppercase) && all(&part[1..], u8::is_ascii_lowercase)
    };
    let is_region = |part: &str| match part.len() {
        2 => all(part, u8::is_ascii_uppercase),
        3 => all(part, u8::is_ascii_digit),
        _ => false,
    };
    if !text.is_ascii() {
        return false;
    }
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    (2..=3).contains(&language.len())
        && all(language, u8::is_ascii_lowercase)
        && match rest[..] {
            [] => true,
            [one] => is_script(one) || is_region(one),
            [script, region] => is_script(script) && is_region(region),
            _ => false,
        }
}

fn is_time_zone(text: &str) -> bool {
    let is_step = |step: &str| {
        step.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    text.len() <= 64 && text.split('/').all(is_step)
}

macro_rules! word {
    ($name:ident, $is:ident, $error:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                if $is(text) { Ok(Self(text.to_owned())) } else { Err($error) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> String {
                word.0
            }
        }
    };
}

word!(Locale, is_locale, NotALocale);
word!(TimeZone, is_time_zone, NotATimeZone);

#[cfg(feature = "schema")]
crate::schema::published!(Locale, crate::schema::locale());
#[cfg(feature = "schema")]
crate::schema::published!(TimeZone, crate::schema::time_zone());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_written_as_bcp_47_does() {
        for good in ["en", "de", "pt-BR", "zh-Hant", "zh-Hant-TW", "es-419", "gsw"] {
            assert_eq!(good.parse::<Locale>().map(String::from), Ok(good.to_owned()));
        }
        for bad in
            ["", "e", "EN", "en_US", "en-us", "en-", "zh-hant", "en-US-x", "zh-TW-Hant", "ën", "english"]
        {
            assert_eq!(bad.parse::<Locale>(), Err(NotALocale), "{bad}");
        }
        assert_eq!("pt-BR".parse::<Locale>().unwrap().language(), "pt");
        assert_eq!(Locale::default().as_str(), "en");
    }

    #[test]
    fn a_time_zone_has_the_form_of_the_databases_names() {
        for good in
            ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"]
        {
            assert_eq!(good.parse::<TimeZone>().map(String::from), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "/",
            "Europe/",
            "/Berlin",
            "Europe//Berlin",
            "+05:00",
            "Europe/Ber lin",
            "Ö/ö",
            &"a".repeat(65),
        ] {
            assert_eq!(bad.parse::<TimeZone>(), Err(NotATimeZone), "{bad}");
        }
        assert_eq!(TimeZone::default().as_str(), "UTC");
    }
}
