//! People over the event store: they come to have an account, sign in, make a workspace, act there, and go.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use commands::clock::{Clock, ManualClock};
use commands::commerce::cart;
use commands::effect::identity::mail_link_when_asked::MailLinkWhenAsked;
use commands::guesses::Guesses;
use commands::identity::denial::Denials;
use commands::identity::session::{SignIn, SignedIn, SigningIn};
use commands::identity::{account, password, session, workspace};
use commands::port::credential::fake::FakeCredentials;
use commands::port::mail::Message;
use commands::port::mail::fake::{FakeHandOvers, FakeMailer};
use commands::port::password::fake::QuickPasswords;
use commands::port::vault::fake::FakeVault;
use commands::{Actor, Context, Door, Error, EventStore, NotYou, access};
use domain::identity::account::Account;
use domain::identity::denial::{Denial, DenialEvent};
use domain::identity::membership::{Membership, MembershipCommand};
use domain::identity::session::Session;
use domain::ids::{AccountId, CartId, CustomerId, WorkspaceId};
use domain::locale::Locale;
use domain::money::Currency;
use futures::future::join_all;
use infra::log::Log;
use infra::subscription::Host;
use infra::subscription::reactor::Reactor;
use sqlx::postgres::PgPoolOptions;
use tests::database::TestDatabase;
use tests::process::until;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const JANE: &str = "jane@example.com";
/// Where everybody comes from.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const SECRET: &str = "correct horse battery";
const OTHER: &str = "staple battery horse";

/// A platform without HTTP: the log, the effect that mails, and a door of fakes.
struct Platform {
    store: EventStore,
    clock: Arc<ManualClock>,
    door: Door,
    vault: Arc<FakeVault>,
    credentials: Arc<FakeCredentials>,
    mailer: Arc<FakeMailer>,
    stop: CancellationToken,
    // Dropped last: the others work on it.
    database: TestDatabase,
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Platform {
    async fn start() -> Self {
        let database = TestDatabase::create().await;
        let store = EventStore::open(database.pool.clone(), database.run.clone(), 1_000);
        let clock = Arc::new(ManualClock::at(DateTime::from_timestamp(1_767_225_600, 0).unwrap()));
        let (vault, credentials) = (Arc::new(FakeVault::default()), Arc::new(FakeCredentials::default()));
        let passwords = Arc::new(QuickPasswords);
        let guesses = Guesses::default();
        let denials = Arc::new(Denials::new(store.clone(), clock.clone(), vault.clone()));
        let door =
            Door { vault: vault.clone(), credentials: credentials.clone(), passwords, guesses, denials };
        let (mailer, stop) = (Arc::new(FakeMailer::default()), CancellationToken::new());
        let mails = MailLinkWhenAsked {
            store: store.clone(),
            clock: clock.clone(),
            door: door.clone(),
            mailer: mailer.clone(),
            notes: Arc::new(FakeHandOvers::default()),
            site: "https://mewayz.example".into(),
        };
        let host = Host {
            log: Log::follow(store.clone(), stop.clone()).await.unwrap(),
            clock: clock.clone(),
            instance: Uuid::now_v7(),
            lease: Duration::from_secs(60),
            stop: stop.clone(),
        };
        tokio::spawn(host.run(Vec::new(), vec![Reactor::Effect(Box::new(mails))]));
        Self { store, clock, door, vault, credentials, mailer, stop, database }
    }

    fn visitor(&self) -> Context {
        let actor = Actor::Visitor;
        Context::internal(self.store.clone(), self.clock.clone(), workspace::PLATFORM, actor)
    }

    fn person(&self, account: AccountId) -> Context {
        let actor = Actor::Account(account);
        Context::internal(self.store.clone(), self.clock.clone(), workspace::PLATFORM, actor)
    }

    /// The nth mail that has arrived, once it has.
    async fn mail(&self, nth: usize) -> Message {
        until("a mail arrives", || async { self.mailer.arrived().len() > nth }).await;
        self.mailer.arrived()[nth].clone()
    }

    async fn register(&self) {
        account::register(self.visitor(), &self.door, JANE, Locale::default(), HERE).await.unwrap();
    }

    /// Somebody with a verified address.
    async fn jane(&self) -> AccountId {
        self.register().await;
        let token = token_in(&self.mail(0).await);
        let verified = account::verify(self.visitor(), &self.door, &token, SECRET).await.unwrap();
        verified.id.parse().unwrap()
    }

    async fn sign_in(&self, secret: &str) -> commands::Result<SignedIn> {
        let with = SignIn {
            address: JANE.into(),
            password: secret.into(),
            workspace: None,
            device: Some("Firefox".into()),
            origin: HERE,
        };
        session::sign_in(self.visitor(), &self.door, with).await.map(|signing_in| match signing_in {
            SigningIn::In(signed_in) => signed_in,
            SigningIn::HalfWay { .. } => panic!("nobody has a second factor here"),
        })
    }

    async fn refresh(&self, token: &str) -> commands::Result<SignedIn> {
        session::refresh(self.visitor(), &self.door, token).await
    }

    async fn access(&self, by: &SignedIn, place: Option<WorkspaceId>) -> Option<access::Access> {
        let who = (by.account, by.session);
        access::find(&self.store, who, place, self.visitor().now()).await.unwrap()
    }
}

fn token_in(mail: &Message) -> String {
    let link = mail.text.split_whitespace().find(|word| word.contains('#')).unwrap();
    link.rsplit_once('#').unwrap().1.to_owned()
}

fn code(answer: commands::Result<impl std::fmt::Debug>) -> String {
    match answer.unwrap_err() {
        Error::Refused(refused) => refused.code,
        Error::Unauthenticated(NotYou::SignIn) => "sign-in".into(),
        Error::Unauthenticated(NotYou::Session) => "session".into(),
        Error::Unauthenticated(NotYou::Password) => "password".into(),
        Error::Unauthenticated(NotYou::Code) => "code".into(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_person_comes_makes_a_workspace_acts_there_and_goes() {
    let platform = Platform::start().await;
    let jane = platform.jane().await;
    assert_eq!(platform.mail(0).await.to, JANE);

    let signed_in = platform.sign_in(SECRET).await.unwrap();
    assert_eq!(signed_in.account, jane);
    let made = workspace::found(platform.person(jane), "Jane's shop").await.unwrap();
    let shop: WorkspaceId = made.id.parse().unwrap();
    let access = platform.access(&signed_in, Some(shop)).await.unwrap();
    assert!(access.scopes.contains("order:place") && access.scopes.contains("workspace:transfer"));
    assert!(!access.suspended);

    let elsewhere = WorkspaceId::from_uuid(Uuid::now_v7());
    assert!(platform.access(&signed_in, Some(elsewhere)).await.unwrap().scopes.is_empty());

    session::sign_out(platform.person(jane), signed_in.session).await.unwrap();
    assert_eq!(platform.access(&signed_in, Some(shop)).await, None);
    assert_eq!(code(platform.refresh(&signed_in.refresh_token).await), "session");
}

#[tokio::test]
async fn the_same_request_makes_one_workspace() {
    let platform = Platform::start().await;
    let jane = platform.jane().await;
    let ask = || platform.person(jane).with_key("once", &[b"Jane's shop".as_slice()]);
    let first = workspace::found(ask(), "Jane's shop").await.unwrap();
    let again = workspace::found(ask(), "Jane's shop").await.unwrap();
    assert_eq!((&again.id, again.replayed), (&first.id, true));
}

#[tokio::test]
async fn nobody_learns_whether_an_address_has_an_account() {
    let platform = Platform::start().await;
    platform.jane().await;
    platform.register().await;
    let told = platform.mail(1).await;
    assert_eq!((told.to.as_str(), told.subject.as_str()), (JANE, "You have an account already"));
    assert_eq!(code(platform.sign_in(OTHER).await), "sign-in");
    let stranger = SignIn {
        address: "nobody@example.com".into(),
        password: SECRET.into(),
        workspace: None,
        device: None,
        origin: HERE,
    };
    let cx = platform.visitor();
    assert_eq!(code(session::sign_in(cx, &platform.door, stranger).await), "sign-in");
    password::ask_reset(platform.visitor(), &platform.door, "nobody@example.com", HERE).await.unwrap();
}

#[tokio::test]
async fn two_who_register_one_address_at_one_moment_have_one_account() {
    let platform = Platform::start().await;
    join_all((0..16).map(|_| platform.register())).await;
    let accounts =
        platform.store.beginning_with::<Account>(workspace::PLATFORM, AccountId::PREFIX).await.unwrap();
    assert_eq!(accounts.len(), 1);
}

#[tokio::test]
async fn a_link_is_good_once_and_only_as_it_was_sent() {
    let platform = Platform::start().await;
    platform.register().await;
    assert_eq!(code(platform.sign_in(SECRET).await), "sign-in");
    let token = token_in(&platform.mail(0).await);
    let verify = async |token: &str, secret: &str| {
        account::verify(platform.visitor(), &platform.door, token, secret).await
    };
    assert_eq!(code(verify(&token, "too short").await), "password/too_short");
    assert_eq!(code(verify(&token.replace("chl_", "chl_0"), SECRET).await), "account/link_spent");
    assert_eq!(code(verify("nonsense", SECRET).await), "account/link_spent");
    verify(&token, SECRET).await.unwrap();
    assert_eq!(code(verify(&token, OTHER).await), "account/link_spent");
    assert_eq!(code(platform.sign_in(OTHER).await), "sign-in");
    platform.sign_in(SECRET).await.unwrap();

    // What it was sent for is in it: no link of one sort is one of another.
    let reset = password::reset(platform.visitor(), &platform.door, &token, OTHER, HERE).await;
    assert_eq!(code(reset), "password/link_spent");
}

#[tokio::test]
async fn sixty_four_uses_of_one_refresh_token_leave_one_session() {
    let platform = Platform::start().await;
    platform.jane().await;
    let signed_in = platform.sign_in(SECRET).await.unwrap();
    let all = join_all((0..64).map(|_| platform.refresh(&signed_in.refresh_token))).await;
    let mut next: Vec<String> = all.into_iter().map(|one| one.unwrap().refresh_token).collect();
    next.sort();
    next.dedup();
    assert_eq!(next.len(), 1, "whoever asks for the same gets the same");
    let state = platform.store.load::<Session>(workspace::PLATFORM, &signed_in.session).await;
    let state = state.unwrap();
    assert_eq!((state.version, state.state.generation()), (2, 1));
    platform.refresh(&next[0]).await.unwrap();
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session_for_both() {
    let platform = Platform::start().await;
    platform.jane().await;
    let first = platform.sign_in(SECRET).await.unwrap();
    let second = platform.refresh(&first.refresh_token).await.unwrap();
    platform.clock.advance(TimeDelta::seconds(11));
    assert_eq!(code(platform.refresh(&first.refresh_token).await), "session");
    assert_eq!(code(platform.refresh(&second.refresh_token).await), "session");
    assert_eq!(platform.access(&second, None).await, None);
    let forged = second.refresh_token.replace(".1.", ".7.");
    assert_eq!(code(platform.refresh(&forged).await), "session");
}

#[tokio::test]
async fn another_password_ends_every_session_but_the_one_that_changed_it() {
    let platform = Platform::start().await;
    let jane = platform.jane().await;
    let (here, there) = (platform.sign_in(SECRET).await.unwrap(), platform.sign_in(SECRET).await.unwrap());
    let wrong = platform.person(jane);
    let wrong = password::change(wrong, &platform.door, (OTHER, OTHER), here.session, HERE).await;
    assert_eq!(code(wrong), "password");
    let words = (SECRET, OTHER);
    password::change(platform.person(jane), &platform.door, words, here.session, HERE).await.unwrap();
    assert!(platform.access(&here, None).await.is_some());
    assert_eq!(platform.access(&there, None).await, None);
    assert_eq!(code(platform.sign_in(SECRET).await), "sign-in");
    platform.sign_in(OTHER).await.unwrap();
    assert_eq!(platform.mail(1).await.subject, "Your password was changed");
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_mail_within_ten_minutes() {
    let platform = Platform::start().await;
    platform.jane().await;
    let before = platform.sign_in(SECRET).await.unwrap();
    let ask = async || password::ask_reset(platform.visitor(), &platform.door, JANE, HERE).await.unwrap();
    let reset =
        async |token: &str| password::reset(platform.visitor(), &platform.door, token, OTHER, HERE).await;
    ask().await;
    let late = token_in(&platform.mail(1).await);
    platform.clock.advance(TimeDelta::minutes(10));
    assert_eq!(code(reset(&late).await), "password/link_spent");
    ask().await;
    let token = token_in(&platform.mail(2).await);
    reset(&token).await.unwrap();
    assert_eq!(code(reset(&token).await), "password/link_spent");
    assert_eq!(platform.access(&before, None).await, None);
    platform.sign_in(OTHER).await.unwrap();
}

#[tokio::test]
async fn who_is_removed_or_signed_out_everywhere_may_do_nothing_more() {
    let platform = Platform::start().await;
    let jane = platform.jane().await;
    let signed_in = platform.sign_in(SECRET).await.unwrap();
    let shop = WorkspaceId::from_uuid(Uuid::now_v7());
    let there =
        || Context::internal(platform.store.clone(), platform.clock.clone(), shop, Actor::Job("test"));
    let join = MembershipCommand::Join { roles: ["viewer".parse().unwrap()].into() };
    there().execute::<Membership>(jane, join).await.unwrap();
    let viewer = platform.access(&signed_in, Some(shop)).await.unwrap();
    assert!(viewer.scopes.contains("order:read") && !viewer.scopes.contains("order:place"));
    there().execute::<Membership>(jane, MembershipCommand::Remove).await.unwrap();
    assert!(platform.access(&signed_in, Some(shop)).await.unwrap().scopes.is_empty());

    account::sign_out_everywhere(platform.person(jane), None).await.unwrap();
    assert_eq!(platform.access(&signed_in, None).await, None);
    assert_eq!(code(platform.refresh(&signed_in.refresh_token).await), "session");
}

#[tokio::test]
async fn what_another_process_revokes_is_known_here_once_the_log_is_heard() {
    let platform = Platform::start().await;
    let jane = platform.jane().await;
    let signed_in = platform.sign_in(SECRET).await.unwrap();
    let log = Log::follow(platform.store.clone(), platform.stop.clone()).await.unwrap();
    tokio::spawn(infra::watch::watch(log.clone(), platform.stop.clone()));
    assert!(platform.access(&signed_in, None).await.is_some());

    let elsewhere = EventStore::open(platform.database.pool.clone(), platform.database.run.clone(), 1_000);
    let there =
        Context::internal(elsewhere, platform.clock.clone(), workspace::PLATFORM, Actor::Account(jane));
    session::sign_out(there, signed_in.session).await.unwrap();
    until("the revocation is known", || async { platform.access(&signed_in, None).await.is_none() }).await;
    assert!(log.is_heard(infra::watch::FRESH));
}

#[tokio::test]
async fn while_the_vault_is_away_nobody_comes_in_and_mail_waits() {
    let platform = Platform::start().await;
    platform.jane().await;
    platform.vault.set_away(true);
    assert!(matches!(platform.sign_in(SECRET).await, Err(Error::Unavailable(_))));
    let visitor = platform.visitor();
    let registered =
        account::register(visitor, &platform.door, "ben@example.com", Locale::default(), HERE).await;
    assert!(matches!(registered, Err(Error::Unavailable(_))));
    platform.vault.set_away(false);
    platform.sign_in(SECRET).await.unwrap();
    assert_eq!(platform.credentials.count(), 1);
}

#[tokio::test]
async fn no_secret_and_no_address_stands_in_the_log() {
    let platform = Platform::start().await;
    platform.jane().await;
    let signed_in = platform.sign_in(SECRET).await.unwrap();
    platform.refresh(&signed_in.refresh_token).await.unwrap();
    let token = token_in(&platform.mail(0).await);
    let mac = token.rsplit_once('.').unwrap().1.to_owned();
    let refresh_mac = signed_in.refresh_token.rsplit_once('.').unwrap().1.to_owned();
    let events = platform.store.read(0, 1_000).await.unwrap();
    assert!(events.len() >= 6);
    for event in events {
        for secret in [JANE, SECRET, "203.0.113.7", "Firefox", mac.as_str(), refresh_mac.as_str()] {
            let told = format!("{}{}{}", event.id, event.payload, event.metadata);
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[tokio::test]
async fn ten_thousand_guesses_from_everywhere_keep_the_owner_out_of_nothing() {
    let platform = Platform::start().await;
    platform.jane().await;
    platform.sign_in(SECRET).await.unwrap();
    let guess = async |n: u32, secret: &str| {
        let origin = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n % 1_000));
        let (address, password) = (JANE.to_owned(), secret.to_owned());
        let with = SignIn { address, password, workspace: None, device: None, origin };
        session::sign_in(platform.visitor(), &platform.door, with).await
    };
    let (mut looked_at, mut throttled) = (0, 0);
    for n in 0..10_000 {
        match guess(n, &format!("guess number {n}")).await {
            Err(Error::Unauthenticated(NotYou::SignIn)) => looked_at += 1,
            Err(Error::TooMany { .. }) => throttled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((looked_at, throttled), (100, 9_900));
    // From where nobody knows her not even the right one is looked at; by mail she comes in from there as well.
    assert!(matches!(guess(1, SECRET).await, Err(Error::TooMany { .. })));
    platform.sign_in(SECRET).await.unwrap();
    password::ask_reset(platform.visitor(), &platform.door, JANE, HERE).await.unwrap();
    let token = token_in(&platform.mail(1).await);
    let there = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + 1));
    password::reset(platform.visitor(), &platform.door, &token, OTHER, there).await.unwrap();
    guess(1, OTHER).await.unwrap();

    // What was denied is told in a few events that say how often.
    platform.clock.advance(TimeDelta::minutes(1));
    platform.door.denials.flush(false).await;
    let mut told: Vec<(String, i64)> = Vec::new();
    for event in platform.store.read(0, 1_000).await.unwrap() {
        if let Some(DenialEvent::SignInDenied { reason, count, origin, .. }) = event.of::<Denial>().unwrap() {
            assert!(origin.is_some());
            told.push((format!("{reason:?}"), *count));
        }
    }
    told.sort();
    let of = |reason: &str, count| (reason.to_owned(), count);
    assert_eq!(told, [of("Password", 1), of("Password", 99), of("Throttled", 1), of("Throttled", 9_900)]);
}

#[tokio::test]
async fn what_a_person_may_do_is_known_without_a_question_to_the_database() {
    let platform = Platform::start().await;
    let jane = platform.jane().await;
    let signed_in = platform.sign_in(SECRET).await.unwrap();
    let made = workspace::found(platform.person(jane), "Jane's shop").await.unwrap();
    let shop: WorkspaceId = made.id.parse().unwrap();

    let pool = PgPoolOptions::new().connect_with(platform.database.run.clone()).await.unwrap();
    let store = EventStore::open(pool.clone(), platform.database.run.clone(), 1_000);
    let of = |place, scopes| {
        let mut cx = Context::internal(store.clone(), platform.clock.clone(), place, Actor::Account(jane));
        cx.scopes = scopes;
        cx
    };
    let access = async || {
        let who = (signed_in.account, signed_in.session);
        access::find(&store, who, Some(shop), platform.clock.now()).await.unwrap().unwrap()
    };
    let opened = cart::open(of(shop, access().await.scopes), None, Currency::EUR).await.unwrap();
    let id: CartId = opened.id.parse().unwrap();
    session::switch(of(workspace::PLATFORM, Arc::default()), signed_in.session, shop).await.unwrap();

    // From here on nobody can ask the database anything: only what is decided is still appended, on a connection of
    // its own.
    pool.close().await;
    assert!(store.head().await.is_err());
    let scopes = access().await.scopes;
    cart::assign(of(shop, scopes), id, CustomerId::from_uuid(Uuid::now_v7())).await.unwrap();
    session::switch(of(workspace::PLATFORM, Arc::default()), signed_in.session, shop).await.unwrap();
    let elsewhere = WorkspaceId::from_uuid(Uuid::now_v7());
    let unknown =
        access::find(&store, (jane, signed_in.session), Some(elsewhere), platform.clock.now()).await;
    assert!(unknown.is_err(), "what was never asked before has to be");
}
