//! SMTP: the mail port over a mail server.
//!
//! It speaks the steps of a hand-over itself, so that it knows what is certain when one fails: before the message went
//! out nothing has happened; once it has, only an answer says so. It never tries again by itself.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use commands::clock::Clock;
use commands::port::mail::{Language, MailError, Mailer, Message};
use lettre::Address;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

/// Connections that are kept open between messages, at most.
const IDLE: usize = 4;

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// Not at all: for a server on this machine.
    None,
    /// From the first command after the greeting; a server that cannot is not used.
    Starttls,
    /// From the first byte.
    Tls,
}

/// Where mail goes, and from whom.
#[derive(Clone)]
pub struct Options {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// A certificate authority (PEM) to trust beside those that everybody does.
    pub ca_file: Option<PathBuf>,
    pub user: Option<(String, String)>,
    /// `Name <address>`.
    pub from: String,
    /// How long a step may take.
    pub timeout: Duration,
}

/// Never the password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, encryption, from, .. } = self;
        write!(f, "{host}:{port} ({encryption:?}) from {from}")
    }
}

/// Why mail cannot be sent as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum NoMailer {
    #[error("`{0}` is no sender, like Mewayz <no-reply@example.com>")]
    From(String),
    #[error("{0} is no certificate authority in PEM")]
    Ca(PathBuf),
    #[error("{0} has no name that a certificate could be for")]
    Host(String),
}

/// Whether this can be whom mail comes from.
#[must_use]
pub fn is_sender(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Hands messages over to one mail server.
pub struct SmtpMailer {
    options: Options,
    from: Mailbox,
    tls: TlsParameters,
    hello: ClientId,
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl SmtpMailer {
    /// # Errors
    /// [`NoMailer`] if the options make no sense.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, NoMailer> {
        let from: Mailbox = options.from.parse().map_err(|_| NoMailer::From(options.from.clone()))?;
        let mut tls = TlsParameters::builder(options.host.clone());
        if let Some(file) = &options.ca_file {
            tls = tls.add_root_certificate(authority(file)?);
        }
        let tls = tls.build_rustls().map_err(|_| NoMailer::Host(options.host.clone()))?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        Ok(Self { options, from, tls, hello, clock, idle: Mutex::default() })
    }

    /// A connection that is ready for a message: an idle one that still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, MailError> {
        loop {
            let idle = self.idle.lock().expect("no holder panics").pop();
            let Some(mut connection) = idle else { return self.connect().await };
            let answers = tokio::time::timeout(self.options.timeout, connection.test_connected()).await;
            if matches!(answers, Ok(true)) {
                return Ok(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let Options { host, port, encryption, user, timeout, .. } = &self.options;
        let at_once = (*encryption == Encryption::Tls).then(|| self.tls.clone());
        let connect = AsyncSmtpConnection::connect_tokio1(
            (host.as_str(), *port),
            Some(*timeout),
            &self.hello,
            at_once,
            None,
        );
        let mut connection = self.nothing_happened(connect).await?;
        if *encryption == Encryption::Starttls {
            self.nothing_happened(connection.starttls(self.tls.clone(), &self.hello)).await?;
        }
        if let Some((name, password)) = user {
            let credentials = Credentials::new(name.clone(), password.clone());
            self.nothing_happened(connection.auth(DEFAULT_MECHANISMS, &credentials)).await?;
        }
        Ok(connection)
    }

    /// A step before there is a message: whatever goes wrong, it may go well later.
    async fn nothing_happened<T>(
        &self,
        step: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, MailError> {
        match tokio::time::timeout(self.options.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(MailError::Unavailable(told(&error))),
            Err(_) => Err(MailError::Unavailable("no answer in time".into())),
        }
    }

    /// A step of the message before it goes out: it may be refused for good.
    async fn announced<T>(
        &self,
        step: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, MailError> {
        match tokio::time::timeout(self.options.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if error.is_permanent() => Err(MailError::Rejected(told(&error))),
            Ok(Err(error)) => Err(MailError::Unavailable(told(&error))),
            Err(_) => Err(MailError::Unavailable("no answer in time".into())),
        }
    }

    async fn send(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &lettre::Message,
    ) -> Result<(), MailError> {
        let (envelope, text) = (mail.envelope(), mail.formatted());
        let eight_bits = connection.server_info().supports_feature(Extension::EightBitMime);
        let body =
            (eight_bits && !text.is_ascii()).then_some(MailParameter::Body(MailBodyParameter::EightBitMime));
        let from = Mail::new(envelope.from().cloned(), body.into_iter().collect());
        self.announced(connection.command(from)).await?;
        for to in envelope.to() {
            self.announced(connection.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        }
        self.announced(connection.command(Data)).await?;
        match tokio::time::timeout(self.options.timeout, connection.message(&text)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(MailError::Rejected(told(&error))),
            Ok(Err(error)) if error.is_transient() => Err(MailError::Unavailable(told(&error))),
            Ok(Err(error)) => Err(MailError::Unknown(told(&error))),
            Err(_) => Err(MailError::Unknown("no answer in time".into())),
        }
    }

    fn written(&self, message: &Message) -> Result<lettre::Message, MailError> {
        if !message.to.is_ascii() {
            return Err(MailError::Rejected("the address is not of ASCII letters".into()));
        }
        let to: Address = message.to.parse().map_err(|_| MailError::Rejected("this is no address".into()))?;
        let id = format!("<{}@{}>", message.id, self.from.email.domain());
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(message.subject.clone())
            .date(SystemTime::from(self.clock.now()))
            .message_id(Some(id))
            .header(ContentLanguage(message.language))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(message.text.clone(), message.html.clone()))
            .map_err(|error| MailError::Rejected(error.to_string()))
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn hand_over(&self, message: &Message) -> Result<(), MailError> {
        let mail = self.written(message)?;
        let mut connection = self.connection().await?;
        let sent = self.send(&mut connection, &mail).await;
        // After an error the connection may be anywhere in the conversation; it is let go of.
        if sent.is_ok() {
            let mut idle = self.idle.lock().expect("no holder panics");
            if idle.len() < IDLE {
                idle.push(connection);
            }
        }
        sent
    }
}

/// RFC 3282.
#[derive(Debug, Clone)]
struct ContentLanguage(Language);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Err("it is only written".into())
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.as_ref().to_owned())
    }
}

/// RFC 3834: answers that come by themselves are not wanted.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Err("it is only written".into())
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn authority(file: &Path) -> Result<Certificate, NoMailer> {
    let bad = || NoMailer::Ca(file.to_owned());
    let pem = std::fs::read(file).map_err(|_| bad())?;
    Certificate::from_pem(&pem).map_err(|_| bad())
}

/// What went wrong: the server's code, without its words, which may name the person; or the cause, if it said nothing.
fn told(error: &lettre::transport::smtp::Error) -> String {
    if let Some(code) = error.status() {
        return code.to_string();
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
