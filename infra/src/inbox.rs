//! Inbox: a mail server that delivers to nobody, and a page to read what came: for development and tests.
//!
//! A mail is on the disk before it is confirmed, as it was sent, below the two headers that a delivering server adds.
//! Some addresses make it fail, whatever the domain: `reject@` is refused, `defer@` not taken now, `refuse@` refused
//! once it was sent, and after a mail to `hang-up@` it says nothing more.

mod page;
mod session;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use commands::clock::Clock;
use mail_parser::MessageParser;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Mails that are kept; the oldest go first.
const KEPT: usize = 1_000;
/// Connections at once.
const CONNECTIONS: usize = 64;

/// An inbox that listens.
#[derive(Debug)]
pub struct Inbox {
    smtp: TcpListener,
    http: TcpListener,
    mails: Mails,
}

impl Inbox {
    /// Listens for mail and for readers, with its mails in this folder.
    ///
    /// # Errors
    /// If it cannot listen, or the folder cannot be made.
    pub async fn bind(
        smtp: SocketAddr,
        http: SocketAddr,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            smtp: TcpListener::bind(smtp).await?,
            http: TcpListener::bind(http).await?,
            mails: Mails { folder: folder.to_owned(), clock, count: Arc::default() },
        })
    }

    /// Where it takes mail.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn smtp_address(&self) -> io::Result<SocketAddr> {
        self.smtp.local_addr()
    }

    /// Where it can be read.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn page_address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    #[must_use]
    pub fn mails(&self) -> Mails {
        self.mails.clone()
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// If a socket fails.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let page = axum::serve(self.http, page::routes(self.mails.clone()));
        let page = page.with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
        let mail = take_mail(self.smtp, self.mails, stop.clone());
        let (page, mail) = tokio::join!(page, mail);
        page.and(mail)
    }
}

async fn take_mail(listener: TcpListener, mails: Mails, stop: CancellationToken) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        let (mails, stop) = (mails.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = session::converse(stream, &mails) => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "a mail client has gone");
                    }
                }
            }
            drop(place);
        });
    }
}

/// The mails that came, on the disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mails {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    count: Arc<AtomicU64>,
}

/// A mail, as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    pub name: String,
    pub message_id: String,
    pub from: String,
    pub to: String,
    pub subject: String,
    pub date: Option<DateTime<Utc>>,
    pub text: String,
    pub html: Option<String>,
    /// As it came.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

impl Mails {
    /// Everything, the newest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn all(&self) -> io::Result<Vec<Mail>> {
        let names = self.names()?;
        // One that was just removed to make room is none.
        Ok(names.iter().rev().filter_map(|name| self.find(name).ok().flatten()).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn find(&self, name: &str) -> io::Result<Option<Mail>> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(None);
        }
        match std::fs::read(self.folder.join(format!("{name}.eml"))) {
            Ok(raw) => Ok(Some(read(name, raw))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = std::fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".eml")?.to_owned()))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Keeps a mail, for good when this returns.
    fn keep(&self, from: &str, to: &[String], data: &[u8]) -> io::Result<()> {
        let mut raw = format!("Return-Path: <{from}>\r\n").into_bytes();
        raw.extend(to.iter().flat_map(|to| format!("Delivered-To: {to}\r\n").into_bytes()));
        raw.extend(data);
        let now = self.clock.now().format("%Y%m%dT%H%M%S%6f");
        let name = format!("{now}-{:06}", self.count.fetch_add(1, Ordering::Relaxed));
        let draft = self.folder.join(format!("{name}.draft"));
        std::fs::write(&draft, raw)?;
        std::fs::File::open(&draft)?.sync_all()?;
        std::fs::rename(&draft, self.folder.join(format!("{name}.eml")))?;
        let names = self.names()?;
        for old in names.iter().take(names.len().saturating_sub(KEPT)) {
            std::fs::remove_file(self.folder.join(format!("{old}.eml")))?;
        }
        Ok(())
    }
}

fn read(name: &str, raw: Vec<u8>) -> Mail {
    let parsed = MessageParser::default().parse(&raw).unwrap_or_default();
    let address = |addresses: Option<&mail_parser::Address>| {
        addresses.and_then(|all| all.first()?.address()).unwrap_or_default().to_owned()
    };
    let mut mail = Mail {
        name: name.to_owned(),
        message_id: parsed.message_id().unwrap_or_default().to_owned(),
        from: address(parsed.from()),
        to: address(parsed.to()),
        subject: parsed.subject().unwrap_or_default().to_owned(),
        date: parsed.date().and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0)),
        text: parsed.body_text(0).unwrap_or_default().into_owned(),
        html: parsed.html_body_count().gt(&0).then(|| parsed.body_html(0).unwrap_or_default().into_owned()),
        raw: Vec::new(),
    };
    drop(parsed);
    mail.raw = raw;
    mail
}

#[cfg(test)]
mod tests;
