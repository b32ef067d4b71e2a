//! Layers: defaults, file and environment, laid over each other and compared with the defaults.
//!
//! The defaults name every option and show its kind, so what is unknown or of another kind is found here, by name
//! and origin, and the rest can still be read.

use std::path::Path;

use config::{Environment, File, FileFormat, Map, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::Mistakes;

pub(super) const DEFAULTS: &str = include_str!("../config.default.toml");

/// Options under names that everybody knows.
const KNOWN: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("MEWAYZ_MIGRATE_URL", "database.migrate_url"),
    ("KAFKA_BROKERS", "kafka.brokers"),
    ("MEWAYZ_DATA", "data"),
    ("MEWAYZ_LISTEN", "http.listen"),
];

/// Options that are one of a few words.
const WORDS: [(&str, &[&str], &str); 3] = [
    ("payments.provider", &["simulated", "stripe", "manual"], "give simulated, stripe or manual"),
    ("log.format", &["auto", "json", "text"], "give auto, json or text"),
    ("mail.encryption", &["none", "starttls", "tls"], "give none, starttls or tls"),
];

/// What was given, and what is wrong with it.
pub(super) struct Layers {
    given: Value,
    clean: Value,
    mistakes: Vec<String>,
}

impl Layers {
    pub(super) fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        let defaults = config::Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()
            .expect("the defaults are TOML")
            .cache;
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::default().source(Some(named(environment)));
        let given = builder.add_source(environment).build().map_err(|error| {
            let file = file.map(|file| format!("{}: ", file.display())).unwrap_or_default();
            Mistakes(vec![format!("{file}{error}")])
        })?;
        let mut layers = Self { given: given.cache, clean: defaults.clone(), mistakes: Vec::new() };
        layers.clean = layers.laid_over(&defaults, layers.given.clone(), "");
        Ok(layers)
    }

    /// The options, with the default where a mistake was made.
    pub(super) fn options<C: DeserializeOwned>(&mut self) -> Result<C, Mistakes> {
        let mut config = config::Config::default();
        config.cache = self.clean.clone();
        config.try_deserialize().map_err(|error| {
            self.mistakes.push(error.to_string());
            Mistakes(std::mem::take(&mut self.mistakes))
        })
    }

    /// A given value laid over the default: of its kind, or left out and told.
    fn laid_over(&mut self, default: &Value, given: Value, option: &str) -> Value {
        let named = |word: &str| if option.is_empty() { word.to_owned() } else { format!("{option}.{word}") };
        let text = given.to_string();
        match (&default.kind, given.kind) {
            (ValueKind::Table(defaults), ValueKind::Table(given)) => {
                let mut table = defaults.clone();
                for (word, value) in given {
                    let option = named(&word);
                    match defaults.get(&word) {
                        Some(default) => {
                            let value = self.laid_over(default, value, &option);
                            table.insert(word, value);
                        }
                        None => {
                            let place = option.rsplit_once('.').map(|(section, _)| section);
                            self.mistake(
                                &option,
                                &format!("there is no such option; {}", choice(place, defaults)),
                            );
                        }
                    }
                }
                return Value::new(None, table);
            }
            (ValueKind::I64(_), ValueKind::I64(_) | ValueKind::String(_)) if text.parse::<u32>().is_ok() => {
                return Value::new(None, text);
            }
            (ValueKind::I64(_), _) => {
                self.mistake(option, &format!("give a whole number from 0 to {}, not `{text}`", u32::MAX));
            }
            (ValueKind::Boolean(_), ValueKind::Boolean(_) | ValueKind::String(_))
                if text.parse::<bool>().is_ok() =>
            {
                return Value::new(None, text);
            }
            (ValueKind::Boolean(_), _) => self.mistake(option, "give true or false"),
            (ValueKind::String(_), ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil) => {
                self.mistake(option, "give a text");
            }
            (ValueKind::String(_), _) => {
                match WORDS.iter().find(|(name, words, _)| *name == option && !words.contains(&text.as_str()))
                {
                    Some((_, _, what)) => self.mistake(option, what),
                    None => return Value::new(None, text),
                }
            }
            (ValueKind::Array(_), ValueKind::String(given)) => {
                let texts = given.split(',').map(str::trim).filter(|text| !text.is_empty());
                return Value::new(None, texts.map(str::to_owned).collect::<Vec<_>>());
            }
            (ValueKind::Array(_), ValueKind::Array(given))
                if given.iter().all(|value| matches!(value.kind, ValueKind::String(_))) =>
            {
                return Value::new(None, given);
            }
            (ValueKind::Array(_), _) => self.mistake(option, "give a list of texts"),
            _ => self.mistake(option, "give options, as in the defaults"),
        }
        default.clone()
    }

    /// Notes what is wrong with an option, and where it stands.
    pub(super) fn mistake(&mut self, option: &str, what: &str) {
        let mut place = Some(&self.given);
        for word in option.split('.') {
            place = place.and_then(|value| match &value.kind {
                ValueKind::Table(table) => table.get(word),
                _ => None,
            });
        }
        let origin = place.map(origin).filter(|origin| !origin.is_empty());
        let origin = origin.map(|origin| format!(" ({origin})")).unwrap_or_default();
        self.mistakes.push(format!("{option}{origin}: {what}"));
    }

    pub(super) fn expect(&mut self, option: &str, holds: bool, what: &str) {
        if !holds {
            self.mistake(option, what);
        }
    }

    pub(super) fn within(&mut self, option: &str, value: u32, least: u32, most: u32) {
        self.expect(option, (least..=most).contains(&value), &format!("give {least} to {most}"));
    }

    pub(super) fn done(mut self) -> Result<(), Mistakes> {
        self.mistakes.sort_unstable();
        if self.mistakes.is_empty() { Ok(()) } else { Err(Mistakes(self.mistakes)) }
    }
}

/// Where a value stands; a section's is that of its first option.
fn origin(value: &Value) -> &str {
    match (&value.kind, value.origin()) {
        (_, Some(origin)) => origin,
        (ValueKind::Table(table), None) => table.values().next().map_or("", origin),
        _ => "",
    }
}

fn choice(section: Option<&str>, options: &Map<String, Value>) -> String {
    let mut names: Vec<&str> = options.keys().map(String::as_str).collect();
    names.sort_unstable();
    match section {
        Some(section) => format!("[{section}] has {}", names.join(", ")),
        None => format!("there are {}", names.join(", ")),
    }
}

/// The options among the environment's variables: `MEWAYZ_HTTP__LISTEN` is `http.listen`.
fn named(environment: impl IntoIterator<Item = (String, String)>) -> Map<String, String> {
    let (mut known, mut own) = (Map::new(), Map::new());
    for (name, value) in environment {
        if let Some((_, option)) = KNOWN.iter().find(|(variable, _)| *variable == name) {
            known.insert((*option).to_owned(), value);
        } else if let Some((section, option)) =
            name.strip_prefix("MEWAYZ_").and_then(|rest| rest.split_once("__"))
        {
            own.insert(format!("{section}.{option}").to_lowercase(), value);
        }
    }
    known.extend(own);
    known
}
