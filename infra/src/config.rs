//! Config: every option, from the commented defaults (`config.default.toml`), a file and the environment.
//!
//! Read once, at start; all mistakes are told at once, each with where it stands and what to do about it. What is
//! secret shows in no log.

mod layers;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::adapter::smtp::{self, Encryption};
use layers::Layers;

/// The options, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of what is kept beside the database.
    pub data: PathBuf,
    pub database: Database,
    pub kafka: Kafka,
    pub http: Http,
    pub payments: Payments,
    pub gateway: Gateway,
    pub stripe: Stripe,
    pub vault: Vault,
    pub mail: Mail,
    pub subscriptions: Subscriptions,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// As the run-time role.
    pub url: Secret,
    #[serde(deserialize_with = "none_if_empty")]
    pub migrate_url: Option<Secret>,
    pub connections: u32,
    /// How long a free connection is waited for.
    #[serde(rename = "acquire_timeout_ms", deserialize_with = "milliseconds")]
    pub acquire_timeout: Duration,
    pub cached_aggregates: u32,
    /// Whether a server that may lose what it has confirmed is refused.
    pub durable: bool,
}

impl Database {
    /// As the role that owns the tables.
    #[must_use]
    pub fn owner_url(&self) -> &Secret {
        self.migrate_url.as_ref().unwrap_or(&self.url)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// None: the relay does not run.
    #[serde(deserialize_with = "none_if_empty")]
    pub brokers: Option<String>,
    pub prefix: String,
    pub partitions: u32,
    pub retention_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: String,
    pub connections: u32,
    pub connections_per_peer: u32,
    pub command_bytes: u32,
    #[serde(rename = "idle_time_ms", deserialize_with = "milliseconds")]
    pub idle_time: Duration,
    #[serde(rename = "head_time_ms", deserialize_with = "milliseconds")]
    pub head_time: Duration,
    #[serde(rename = "body_time_ms", deserialize_with = "milliseconds")]
    pub body_time: Duration,
    #[serde(rename = "request_time_ms", deserialize_with = "milliseconds")]
    pub request_time: Duration,
    #[serde(rename = "fresh_time_ms", deserialize_with = "milliseconds")]
    pub fresh_time: Duration,
    #[serde(deserialize_with = "none_if_empty")]
    pub cursor_key_file: Option<PathBuf>,
    #[serde(deserialize_with = "none_if_empty")]
    pub token_key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    pub provider: Provider,
}

/// Who moves the money. Bank transfers can be waited for beside each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The simulated gateway.
    Simulated,
    Stripe,
    /// Nobody: bank transfers only.
    Manual,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    pub url: String,
    #[serde(deserialize_with = "none_if_empty")]
    pub secret_key: Option<Secret>,
    /// With commas between them; none: events are refused.
    #[serde(deserialize_with = "none_if_empty")]
    pub webhook_secrets: Option<Secret>,
    #[serde(rename = "timeout_ms", deserialize_with = "milliseconds")]
    pub timeout: Duration,
    pub return_url: String,
    pub cancel_url: String,
    /// The kinds of payment methods of a checkout session.
    pub methods: Vec<String>,
}

impl Stripe {
    /// Each of the secrets that events may be signed with.
    #[must_use]
    pub fn all_webhook_secrets(&self) -> Vec<Secret> {
        let all = self.webhook_secrets.as_ref().map(Secret::reveal).unwrap_or_default();
        all.split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(|one| Secret(one.to_owned()))
            .collect()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub url: String,
    #[serde(deserialize_with = "none_if_empty")]
    pub webhook_secret: Option<Secret>,
    #[serde(rename = "timeout_ms", deserialize_with = "milliseconds")]
    pub timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// As the vault's role; none: in the database.
    #[serde(deserialize_with = "none_if_empty")]
    pub url: Option<Secret>,
    #[serde(deserialize_with = "none_if_empty")]
    pub migrate_url: Option<Secret>,
    #[serde(deserialize_with = "none_if_empty")]
    pub key_file: Option<PathBuf>,
    pub cached_keys: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Host and port; none: no mail goes out.
    #[serde(deserialize_with = "none_if_empty")]
    pub server: Option<String>,
    pub encryption: Encryption,
    #[serde(deserialize_with = "none_if_empty")]
    pub ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "none_if_empty")]
    pub user: Option<String>,
    #[serde(deserialize_with = "none_if_empty")]
    pub password: Option<Secret>,
    pub from: String,
    /// Where people reach the platform, without a `/` at its end.
    pub site: String,
    #[serde(rename = "timeout_ms", deserialize_with = "milliseconds")]
    pub timeout: Duration,
}

impl Mail {
    /// What the mail adapter needs, if there is a server.
    #[must_use]
    pub fn options(&self) -> Option<smtp::Options> {
        let (host, port) = self.server.as_ref()?.rsplit_once(':')?;
        let password = self.password.as_ref().map(|password| password.reveal().to_owned());
        Some(smtp::Options {
            host: host.to_owned(),
            port: port.parse().ok()?,
            encryption: self.encryption,
            ca_file: self.ca_file.clone(),
            user: self.user.clone().map(|user| (user, password.unwrap_or_default())),
            from: self.from.clone(),
            timeout: self.timeout,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriptions {
    /// How long ownership lasts without a sign of life.
    #[serde(rename = "lease_ms", deserialize_with = "milliseconds")]
    pub lease: Duration,
    /// Views that are read from Kafka.
    pub from_kafka: Vec<String>,
    /// How long the other members of a consumer group wait for one without a sign of life.
    #[serde(rename = "session_ms", deserialize_with = "milliseconds")]
    pub session: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Json,
    Text,
}

/// A text that shows in no log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Options that make no sense: all of them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .0.iter().map(|m| format!("  - {m}")).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<String>);

impl Config {
    /// Reads the defaults, the file if there is one, and the environment.
    ///
    /// # Errors
    /// [`Mistakes`]: all that were found.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        let mut layers = Layers::read(file, environment)?;
        let config: Self = layers.options()?;
        config.check(&mut layers);
        layers.done().map(|()| config)
    }

    fn check(&self, layers: &mut Layers) {
        let url = |secret: &Secret| sqlx::postgres::PgConnectOptions::from_str(secret.reveal()).is_ok();
        let form = "give it the form postgres://USER:PASSWORD@HOST:PORT/NAME";
        if self.database.url.reveal().is_empty() {
            layers.mistake("database.url", &format!("it is missing: set DATABASE_URL, and {form}"));
        } else {
            layers.expect("database.url", url(&self.database.url), form);
        }
        layers.expect("database.migrate_url", self.database.migrate_url.as_ref().is_none_or(url), form);
        layers.within("database.connections", self.database.connections, 2, 1_000);
        layers.within("database.cached_aggregates", self.database.cached_aggregates, 0, 10_000_000);

        let brokers = self.kafka.brokers.as_deref().is_none_or(|all| all.split(',').all(is_host_and_port));
        layers.expect("kafka.brokers", brokers, "give HOST:PORT, several with commas between them");
        let is_prefix = (1..=100).contains(&self.kafka.prefix.len())
            && self
                .kafka
                .prefix
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        layers.expect("kafka.prefix", is_prefix, "give 1 to 100 of A-Z a-z 0-9 . _ -");
        layers.within("kafka.partitions", self.kafka.partitions, 1, 1_000);
        layers.within("kafka.retention_days", self.kafka.retention_days, 1, 36_500);

        let listens = SocketAddr::from_str(&self.http.listen).is_ok();
        layers.expect(
            "http.listen",
            listens,
            "give an address and a port, as in 127.0.0.1:8080 or [::]:8080",
        );
        layers.within("http.connections", self.http.connections, 1, 100_000);
        layers.within("http.connections_per_peer", self.http.connections_per_peer, 1, 100_000);
        layers.within("http.command_bytes", self.http.command_bytes, 1_024, 1 << 20);
        for (option, time) in [
            ("http.idle_time_ms", self.http.idle_time),
            ("http.head_time_ms", self.http.head_time),
            ("http.body_time_ms", self.http.body_time),
            ("http.request_time_ms", self.http.request_time),
            ("gateway.timeout_ms", self.gateway.timeout),
            ("mail.timeout_ms", self.mail.timeout),
        ] {
            layers.within(option, whole_ms(time), 100, 600_000);
        }
        layers.within("database.acquire_timeout_ms", whole_ms(self.database.acquire_timeout), 100, 600_000);
        layers.expect(
            "database.acquire_timeout_ms",
            self.database.acquire_timeout < self.http.request_time,
            "a request that finds no connection must be told so within its time (http.request_time_ms)",
        );
        layers.within("http.fresh_time_ms", whole_ms(self.http.fresh_time), 0, 60_000);
        layers.expect(
            "http.fresh_time_ms",
            self.http.fresh_time < self.http.request_time,
            "a read cannot wait longer than a request may take (http.request_time_ms)",
        );

        let is_http = ["http://", "https://"].iter().any(|scheme| {
            self.gateway.url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.contains(' '))
        });
        layers.expect("gateway.url", is_http, "give a URL, as in http://127.0.0.1:8081");
        let long = self.gateway.webhook_secret.as_ref().is_none_or(|secret| secret.reveal().len() >= 24);
        layers.expect("gateway.webhook_secret", long, "give at least 24 characters, or none");
        let is_stripe = self.payments.provider == Provider::Stripe;
        let keyed = !is_stripe || self.stripe.secret_key.is_some();
        layers.expect(
            "stripe.secret_key",
            keyed,
            "payments.provider is `stripe`: give its secret key (sk_…)",
        );
        let secret = self.stripe.all_webhook_secrets();
        let secret = secret.iter().all(|secret| secret.reveal().len() >= 24);
        layers.expect(
            "stripe.webhook_secrets",
            secret,
            "give at least 24 characters each (whsec_…), or none",
        );
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        for (option, url) in [
            ("stripe.url", &self.stripe.url),
            ("stripe.return_url", &self.stripe.return_url),
            ("stripe.cancel_url", &self.stripe.cancel_url),
        ] {
            layers.expect(option, is_web(url), "give an address that begins with https:// or http://");
        }

        layers.expect("vault.url", self.vault.url.as_ref().is_none_or(url), form);
        layers.expect("vault.migrate_url", self.vault.migrate_url.as_ref().is_none_or(url), form);
        layers.within("vault.cached_keys", self.vault.cached_keys, 0, 10_000_000);

        let server = self.mail.server.as_deref().is_none_or(is_host_and_port);
        layers.expect("mail.server", server, "give HOST:PORT, as in smtp.example.com:587");
        layers.expect("mail.from", smtp::is_sender(&self.mail.from), "give NAME <ADDRESS>");
        let site = self.mail.site.starts_with("http") && !self.mail.site.ends_with('/');
        layers.expect("mail.site", site, "give http(s)://HOST without a / at its end");
        let alone = self.mail.user.is_some() || self.mail.password.is_none();
        layers.expect("mail.password", alone, "it needs a mail.user");

        layers.within("subscriptions.lease_ms", whole_ms(self.subscriptions.lease), 100, 600_000);
        layers.within("subscriptions.session_ms", whole_ms(self.subscriptions.session), 1_000, 240_000);
        self.check_from_kafka(layers);
        let filters = tracing_subscriber::EnvFilter::try_new(&self.log.filter).is_ok();
        layers.expect(
            "log.filter",
            filters,
            "give a level, or levels by module, as in info,infra::relay=debug",
        );
    }

    fn check_from_kafka(&self, layers: &mut Layers) {
        let views = projections::all();
        let mut allowed: Vec<&str> = views.iter().filter(|v| v.by_stream()).map(|v| v.name()).collect();
        allowed.sort_unstable();
        let from_kafka = &self.subscriptions.from_kafka;
        for name in from_kafka.iter().filter(|name| !allowed.contains(&name.as_str())) {
            let what = match views.iter().any(|view| view.name() == name) {
                true => "is read from the store only, since its rows follow from several streams",
                false => "is no read model",
            };
            let allowed = allowed.join(", ");
            layers.mistake("subscriptions.from_kafka", &format!("`{name}` {what}; give some of {allowed}"));
        }
        let kafka = from_kafka.is_empty() || self.kafka.brokers.is_some();
        layers.expect(
            "subscriptions.from_kafka",
            kafka,
            "it needs a Kafka: set KAFKA_BROKERS, or leave it empty",
        );
    }

    /// The file of the key that signs cursors.
    #[must_use]
    pub fn cursor_key_file(&self) -> PathBuf {
        self.http.cursor_key_file.clone().unwrap_or_else(|| self.data.join("cursor.key"))
    }

    /// The file of the key that signs access tokens.
    #[must_use]
    pub fn token_key_file(&self) -> PathBuf {
        self.http.token_key_file.clone().unwrap_or_else(|| self.data.join("token.key"))
    }

    /// The file of the epoch keys.
    #[must_use]
    pub fn vault_key_file(&self) -> PathBuf {
        self.vault.key_file.clone().unwrap_or_else(|| self.data.join("vault.keys"))
    }
}

/// The defaults, with their comments.
#[must_use]
pub fn defaults() -> &'static str {
    layers::DEFAULTS
}

fn is_host_and_port(text: &str) -> bool {
    text.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn whole_ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|ms| Duration::from_millis(ms.into()))
}

fn none_if_empty<'de, D: Deserializer<'de>, T: From<String>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| T::from(text)))
}

#[cfg(test)]
mod tests;
