//! Webhooks: signed, sent, and sent again until they are taken.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use commands::port::payment::signature::{SIGNATURE_HEADER, sign};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url, redirect};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::outbox::Due;

/// How many are under way at a time.
const AT_A_TIME: usize = 32;
/// How long the platform may take to answer one.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Even if nothing tells of it, the clock may have been moved.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Where webhooks go, and the secret that they are signed with.
#[derive(Clone)]
pub struct Webhook {
    pub url: Url,
    pub secret: String,
}

/// Without the secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// # Errors
/// If no client can be made.
pub fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).no_proxy().build()
}

/// Sends what is due until it is stopped. What is under way then is tried again after the next start.
pub async fn deliver(book: Arc<Book>, client: Client, webhook: Webhook, stop: CancellationToken) {
    let mut under_way = HashSet::new();
    let mut sending = JoinSet::new();
    loop {
        let changed = book.changed();
        tokio::pin!(changed);
        changed.as_mut().enable();

        let (due, next) = book.due(|number| under_way.contains(&number));
        for due in due.into_iter().take(AT_A_TIME - under_way.len()) {
            under_way.insert(due.number);
            sending.spawn(send(book.clone(), client.clone(), webhook.clone(), due));
        }
        let rest = next.map_or(LONGEST_REST, |next| {
            (next - book.now()).to_std().unwrap_or_default().clamp(Duration::from_millis(1), LONGEST_REST)
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed => {}
            () = tokio::time::sleep(rest) => {}
            Some(sent) = sending.join_next() => match sent {
                Ok((number, delivered)) => {
                    under_way.remove(&number);
                    book.tried(number, delivered);
                }
                Err(error) => tracing::error!(%error, "sending a webhook failed: {error}"),
            }
        }
    }
}

async fn send(book: Arc<Book>, client: Client, webhook: Webhook, due: Due) -> (u64, bool) {
    if book.durable(due.line).await.is_err() {
        return (due.number, false);
    }
    let body = serde_json::to_vec(&due.notice).expect("a notice is JSON");
    let signature = sign(webhook.secret.as_bytes(), &body, book.now());
    let request = client.post(webhook.url).header(SIGNATURE_HEADER, signature);
    let answer = request.header(CONTENT_TYPE, "application/json").body(body).send().await;
    (due.number, answer.is_ok_and(|answer| answer.status().is_success()))
}
