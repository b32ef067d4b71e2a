//! People: what they come in by: the vault, the slow hash of passwords, signed tokens, and mail.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use api::access_token::Signer;
use api::app::People;
use api::beat::BEAT;
use commands::Door;
use commands::effect::identity::mail_invitation_when_sent::MailInvitationWhenSent;
use commands::effect::identity::mail_link_when_asked::MailLinkWhenAsked;
use commands::guesses::Guesses;
use commands::identity::denial::Denials;
use infra::adapter::credentials::PgCredentials;
use infra::adapter::hand_overs::PgHandOvers;
use infra::adapter::passwords::Argon2Passwords;
use infra::adapter::smtp::SmtpMailer;
use infra::adapter::vault::PgVault;
use infra::log::Log;
use infra::subscription::reactor::Reactor;
use infra::watch::FRESH;
use tokio_util::sync::CancellationToken;

use super::http::secret_of;
use crate::job::base::{Base, vault_pool};

/// How often it is looked whether denials are to be told.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// Passwords that wait to be hashed, at most.
const WAITING: usize = 32;

/// What people are checked by.
pub(super) fn door(base: &Base, vault: Arc<PgVault>) -> anyhow::Result<Door> {
    // Half of the cores: who signs in starves nobody.
    let at_once = available_parallelism().map_or(1, usize::from).div_ceil(2);
    let credentials = Arc::new(PgCredentials::new(vault_pool(&base.config)?));
    let passwords = Argon2Passwords::new(at_once, WAITING);
    let denials = Arc::new(Denials::new(base.store.clone(), base.clock.clone(), vault.clone()));
    Ok(Door { vault, credentials, passwords, guesses: Guesses::default(), denials })
}

/// What people come in by over HTTP.
pub(super) fn people(base: &Base, door: Door, log: Log) -> anyhow::Result<People> {
    let signer = Signer::of_seeds(&[secret_of(&base.config.token_key_file())?])?;
    Ok(People { door, signer, is_fresh: Box::new(move || log.is_heard(FRESH)), beat: BEAT })
}

/// The mail that people get, if there is a server for it.
pub(super) fn mail(base: &Base, door: Door) -> anyhow::Result<Vec<Reactor>> {
    let Some(options) = base.config.mail.options() else { return Ok(Vec::new()) };
    let mailer = Arc::new(SmtpMailer::new(options, base.clock.clone())?);
    let notes = Arc::new(PgHandOvers(base.pool.clone()));
    let links = MailLinkWhenAsked {
        store: base.store.clone(),
        clock: base.clock.clone(),
        door: door.clone(),
        mailer: mailer.clone(),
        notes: notes.clone(),
        site: base.config.mail.site.clone(),
    };
    let invitations = MailInvitationWhenSent {
        store: base.store.clone(),
        clock: base.clock.clone(),
        door,
        mailer,
        notes,
        site: base.config.mail.site.clone(),
    };
    Ok(vec![Reactor::Effect(Box::new(invitations)), Reactor::Effect(Box::new(links))])
}

/// Records now and then who was turned away, until told to stop.
pub(super) async fn tell_of_denials(denials: Arc<Denials>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TOLD_EVERY);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = tick.tick() => {}
        }
        denials.flush(stop.is_cancelled()).await;
    }
}
