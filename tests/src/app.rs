//! The whole platform in a test: the API on a socket, read models that follow the log, a clock that is told to move;
//! and, where it is asked for, a payment gateway with all that reacts to orders and payments.
//!
//! Time stands still unless a test moves it. A read shows what was written before; `drain` waits until nothing
//! follows any more from what has happened.

mod shop;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::access_token::Signer;
use api::app::{App, Parts, People};
use api::limits::Limits;
use api::port::{Freshness, Standstill, SubscriptionState, Subscriptions};
use api::routes::{router_of, routes};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::{Clock, ManualClock};
use commands::effect::Effect;
use commands::effect::identity::destroy_keys_when_subject_is_erased::DestroyKeysWhenSubjectIsErased;
use commands::effect::identity::discard_credential_when_replaced::DiscardCredentialWhenReplaced;
use commands::effect::identity::mail_invitation_when_sent::MailInvitationWhenSent;
use commands::effect::identity::mail_link_when_asked::MailLinkWhenAsked;
use commands::guesses::Guesses;
use commands::identity::denial::Denials;
use commands::port::Ports;
use commands::port::credential::fake::FakeCredentials;
use commands::port::mail::fake::{FakeHandOvers, FakeMailer};
use commands::port::password::fake::QuickPasswords;
use commands::port::payment::fake::FakeGateway;
use commands::port::payment::notice::Listener;
use commands::port::vault::fake::FakeVault;
use commands::{Actor, Context, Door, EventStore, Intake};
use domain::ids::WorkspaceId;
use infra::adapter::gateway::{GatewayClient, GatewayNotices};
use infra::adapter::notices::PgNotices;
use infra::adapter::providers::Providers;
use infra::adapter::stripe::client::Client as StripeClient;
use infra::adapter::stripe::{StripeGateway, StripeNotices};
use infra::config::Secret;
use infra::gateway::{Config, Profile, Server, Webhook};
use infra::log::Log;
use infra::subscription::reactor::Reactor;
use infra::subscription::{Host, checkpoint, standing};
use infra::watch::{FRESH, watch};
use projections::Projector;
use sqlx::{ConnectOptions, PgPool};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::client::Client;
use crate::database::TestDatabase;
use crate::keys::Keys;
use crate::stripe::FakeStripe;

/// What access tokens are signed with.
pub const TOKEN_SEED: [u8; 32] = [7; 32];
/// What answers are given on that must not tell anything by their time.
const BEAT: Duration = Duration::from_millis(20);
/// Longer than anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// When tests begin, unless they move the clock: the first moment of 2026.
const BEGINNING: i64 = 1_767_225_600;
/// Where people reach the platform.
const SITE: &str = "https://mewayz.example";
/// What the gateway signs its webhooks with.
pub const SECRET: &str = "whsec_test";

/// The platform, with a database of its own. It works as long as this lives.
pub struct TestApp {
    /// Who may do everything a tenant may.
    pub owner: Client,
    pub workspace: WorkspaceId,
    pub store: EventStore,
    pub clock: Arc<ManualClock>,
    pub keys: Keys,
    /// What people come in by, and where their mail arrives if [`TestApp::with_people`].
    pub door: Door,
    pub mailer: Arc<FakeMailer>,
    pub credentials: Arc<FakeCredentials>,
    /// What takes in what payment providers tell: a test says when it tries again.
    pub intake: Intake,
    pub vault: Arc<FakeVault>,
    /// Where the API answers.
    pub address: SocketAddr,
    gateway: Option<Gateway>,
    subscriptions: usize,
    _working: DropGuard,
    // Dropped last: the others work on it.
    pub database: TestDatabase,
}

/// A simulated gateway that runs, and the folder of its book.
struct Gateway {
    address: SocketAddr,
    _book: tempfile::TempDir,
}

/// What a platform is begun with.
struct Ground {
    database: TestDatabase,
    clock: Arc<ManualClock>,
    listener: TcpListener,
    views: Vec<Box<dyn Projector>>,
    routes: OpenApiRouter<App>,
    beat: Duration,
    listener_of_notices: Arc<dyn Listener>,
    stop: CancellationToken,
}

/// What people are served with: fakes, each in memory.
struct PeoplesPorts {
    store: EventStore,
    clock: Arc<ManualClock>,
    door: Door,
    credentials: Arc<FakeCredentials>,
    vault: Arc<FakeVault>,
    mailer: Arc<FakeMailer>,
}

impl PeoplesPorts {
    fn over(store: EventStore, clock: Arc<ManualClock>) -> Self {
        let (vault, credentials) = (Arc::new(FakeVault::default()), Arc::new(FakeCredentials::default()));
        let door = Door {
            denials: Arc::new(Denials::new(store.clone(), clock.clone(), vault.clone())),
            vault: vault.clone(),
            credentials: credentials.clone(),
            passwords: Arc::new(QuickPasswords),
            guesses: Guesses::default(),
        };
        Self { store, clock, door, credentials, vault, mailer: Arc::default() }
    }

    /// What is mailed to people.
    fn mail(&self) -> Vec<Reactor> {
        let links = MailLinkWhenAsked {
            store: self.store.clone(),
            clock: self.clock.clone(),
            door: self.door.clone(),
            mailer: self.mailer.clone(),
            notes: Arc::new(FakeHandOvers::default()),
            site: SITE.to_owned(),
        };
        let invitations = MailInvitationWhenSent {
            store: self.store.clone(),
            clock: self.clock.clone(),
            door: self.door.clone(),
            mailer: self.mailer.clone(),
            notes: Arc::new(FakeHandOvers::default()),
            site: SITE.to_owned(),
        };
        vec![Reactor::Effect(Box::new(invitations)), Reactor::Effect(Box::new(links))]
    }
}

impl Gateway {
    fn ports(&self) -> Ports {
        let address = format!("http://{}", self.address);
        let client = GatewayClient::new(&address, Duration::from_secs(10)).expect("an address");
        Ports { payment: Arc::new(Providers { provider: Some(Arc::new(client)) }), ..fakes() }
    }
}

/// Ports to nobody: fakes, each in memory.
fn fakes() -> Ports {
    Ports {
        payment: Arc::new(FakeGateway::default()),
        vault: Arc::new(FakeVault::default()),
        credentials: Arc::new(FakeCredentials::default()),
    }
}

impl TestApp {
    /// With all read models, and nothing else that reacts.
    pub async fn start() -> Self {
        Self::reacting(Vec::new()).await
    }

    /// With all read models, and these processes and effects.
    pub async fn reacting(reactors: Vec<Reactor>) -> Self {
        let ground = Ground::prepare().await;
        Self::on(ground, fakes(), None, |_| reactors).await
    }

    /// With all read models, the mail that people get, and what follows when they go.
    pub async fn with_people() -> Self {
        Self::with_people_on(BEAT).await
    }

    /// The same, with answers on this beat where they must not tell anything by their time.
    pub async fn with_people_on(beat: Duration) -> Self {
        let ground = Ground { beat, ..Ground::prepare().await };
        Self::on(ground, fakes(), None, |people| {
            let discards = DiscardCredentialWhenReplaced { credentials: people.door.credentials.clone() };
            let destroys = DestroyKeysWhenSubjectIsErased { vault: people.door.vault.clone() };
            let effects: [Box<dyn Effect>; 2] = [Box::new(discards), Box::new(destroys)];
            people.mail().into_iter().chain(effects.into_iter().map(Reactor::Effect)).collect()
        })
        .await
    }

    /// With all of it: people and their mail, processes and effects, and a gateway to which nothing bad happens.
    ///
    /// # Panics
    /// If it cannot start.
    pub async fn with_people_and_gateway() -> Self {
        let ground = Ground::prepare().await;
        let gateway = ground.gateway(0, Profile::NONE).await;
        let ports = gateway.ports();
        let mut reactors = Reactor::all(&ports);
        Self::on(ground, ports, Some(gateway), |people| {
            reactors.extend(people.mail());
            reactors
        })
        .await
    }

    /// The same, with all processes and effects: people's orders are reserved and paid.
    pub async fn with_customers() -> Self {
        let reactors = |people: &PeoplesPorts| {
            let ports = Ports {
                payment: Arc::new(FakeGateway::default()),
                vault: people.door.vault.clone(),
                credentials: people.door.credentials.clone(),
            };
            let mut reactors = Reactor::all(&ports);
            reactors.extend(people.mail());
            reactors
        };
        Self::on(Ground::prepare().await, fakes(), None, reactors).await
    }

    /// With all read models, and one more capability: its table, its view, its routes.
    ///
    /// # Panics
    /// If the table cannot be made.
    pub async fn with_capability(table: &str, view: Box<dyn Projector>, routes: OpenApiRouter<App>) -> Self {
        let mut ground = Ground::prepare().await;
        let mut owner = ground.database.owner.connect().await.expect("the owner may connect");
        sqlx::raw_sql(table).execute(&mut owner).await.expect("the table is made");
        ground.views.push(view);
        ground.routes = ground.routes.merge(routes);
        Self::on(ground, fakes(), None, |_| Vec::new()).await
    }

    /// With all read models, processes and effects, and a gateway to which nothing bad happens.
    pub async fn with_gateway() -> Self {
        Self::with_faulty_gateway(0, Profile::NONE).await
    }

    /// The same, with a gateway of these faults.
    ///
    /// # Panics
    /// If it cannot start.
    pub async fn with_faulty_gateway(seed: u64, faults: Profile) -> Self {
        let ground = Ground::prepare().await;
        let gateway = ground.gateway(seed, faults).await;
        let ports = gateway.ports();
        let reactors = Reactor::all(&ports);
        Self::on(ground, ports, Some(gateway), |_| reactors).await
    }

    /// The same, where Stripe moves the money.
    pub async fn with_stripe(stripe: &FakeStripe) -> Self {
        Self::with_stripe_waiting(stripe, Duration::from_secs(20)).await
    }

    /// The same, where its answers are waited for so long.
    ///
    /// # Panics
    /// If it cannot be spoken to.
    pub async fn with_stripe_waiting(stripe: &FakeStripe, timeout: Duration) -> Self {
        let mut ground = Ground::prepare().await;
        ground.listener_of_notices =
            Arc::new(StripeNotices { secrets: vec![Secret::from(SECRET.to_owned())] });
        let key = Secret::from("sk_test_key".to_owned());
        let address = format!("http://{}", stripe.address);
        let client = StripeClient::new(&address, &key, timeout).expect("an address");
        let gateway = StripeGateway {
            client: client.without_pauses(),
            clock: ground.clock.clone(),
            return_url: "https://shop.example/{order}/paid".to_owned(),
            cancel_url: "https://shop.example/{order}".to_owned(),
            methods: vec!["card".to_owned()],
        };
        let ports = Ports { payment: Arc::new(Providers { provider: Some(Arc::new(gateway)) }), ..fakes() };
        let reactors = Reactor::all(&ports);
        Self::on(ground, ports, None, |_| reactors).await
    }

    async fn on(
        ground: Ground,
        ports: Ports,
        gateway: Option<Gateway>,
        reactors: impl FnOnce(&PeoplesPorts) -> Vec<Reactor>,
    ) -> Self {
        let Ground { database, clock, listener, views, routes, beat, listener_of_notices, stop } = ground;
        let store = EventStore::open(database.pool.clone(), database.run.clone(), 10_000);
        let log = Log::follow(store.clone(), stop.clone()).await.expect("the log can be read");
        let people = PeoplesPorts::over(store.clone(), clock.clone());
        let reactors = reactors(&people);
        let host = Host {
            log: log.clone(),
            clock: clock.clone(),
            instance: Uuid::now_v7(),
            lease: Duration::from_secs(10),
            stop: stop.clone(),
        };
        let subscriptions = views.len() + reactors.len();
        tokio::spawn(async move {
            host.run(views, reactors).await.expect("nobody else owns the subscriptions");
        });

        let (keys, workspace) = (Keys::default(), WorkspaceId::from_uuid(Uuid::now_v7()));
        let checkpoints = Arc::new(Checkpoints(database.pool.clone()));
        let intake = Intake {
            store: store.clone(),
            clock: clock.clone(),
            gateway: ports.payment.clone(),
            listeners: vec![listener_of_notices],
            notices: Arc::new(PgNotices(database.pool.clone())),
        };
        let app = App::new(Parts {
            freshness: checkpoints.clone(),
            subscriptions: checkpoints,
            intake: Some(intake.clone()),
            ..Parts::over(store.clone(), clock.clone(), Arc::new(keys.clone().over(store.clone())), ports)
        });
        tokio::spawn(watch(log.clone(), stop.clone()));
        let PeoplesPorts { door, credentials, vault, mailer, .. } = people;
        let app = app.with_people(People {
            door: door.clone(),
            signer: Signer::of_seeds(&[TOKEN_SEED]).expect("a key"),
            is_fresh: Box::new(move || log.is_heard(FRESH)),
            beat,
        });
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(api::server::serve(listener, router_of(routes, app).0, Limits::default(), stop.clone()));
        let key = keys.issue(workspace, &["*"]).reveal();
        let owner = Client::new(format!("http://{address}"), key, PATIENCE);
        let _working = stop.drop_guard();
        Self {
            owner,
            workspace,
            store,
            clock,
            keys,
            door,
            mailer,
            credentials,
            intake,
            vault,
            address,
            gateway,
            subscriptions,
            _working,
            database,
        }
    }

    /// What the platform itself can do, in the same workspace.
    #[must_use]
    pub fn platform(&self) -> Context {
        let actor = Actor::Job("test");
        Context::internal(self.store.clone(), self.clock.clone(), self.workspace, actor)
    }

    /// Somebody of the same workspace with these scopes only.
    #[must_use]
    pub fn with_scopes(&self, scopes: &[&str]) -> Client {
        self.owner.with_key(self.keys.issue(self.workspace, scopes).reveal())
    }

    /// Somebody who may do everything, in another workspace.
    #[must_use]
    pub fn stranger(&self) -> Client {
        let elsewhere = WorkspaceId::from_uuid(Uuid::now_v7());
        self.owner.with_key(self.keys.issue(elsewhere, &["*"]).reveal())
    }

    /// Lets time pass, and waits for what follows.
    pub async fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
        self.drain().await;
    }

    /// Waits until no subscription lags and no deadline is due.
    ///
    /// # Panics
    /// If that does not happen, telling what is waited for.
    pub async fn drain(&self) {
        let began = Instant::now();
        loop {
            // One statement, one moment: whatever is answered has been written before its checkpoint moved.
            let quiet: bool = sqlx::query_scalar(
                "select (select count(*) from subscriptions where position >= (select position from head)) >= $2
                        and not exists (select from deadlines where due_at <= $1)",
            )
            .bind(self.clock.now())
            .bind(i64::try_from(self.subscriptions).expect("a few"))
            .fetch_one(&self.database.pool)
            .await
            .expect("the database answers");
            if quiet {
                break;
            }
            if began.elapsed() > PATIENCE {
                panic!("it does not become quiet: {}", self.standing().await);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let parked: i64 = sqlx::query_scalar("select count(*) from parked")
            .fetch_one(&self.database.pool)
            .await
            .expect("the database answers");
        assert_eq!(parked, 0, "{}", self.standing().await);
    }

    async fn standing(&self) -> String {
        let standings = standing::standings(&self.database.pool).await;
        let due: Vec<(String, String, DateTime<Utc>)> =
            sqlx::query_as("select process, key, due_at from deadlines where due_at <= $1")
                .bind(self.clock.now())
                .fetch_all(&self.database.pool)
                .await
                .unwrap_or_default();
        let parked: Vec<(String, i64, String)> =
            sqlx::query_as("select subscription, position, reason from parked order by position")
                .fetch_all(&self.database.pool)
                .await
                .unwrap_or_default();
        format!("{standings:#?} due {due:?} parked {parked:?}")
    }
}

impl Ground {
    async fn prepare() -> Self {
        let beginning = DateTime::from_timestamp(BEGINNING, 0).expect("a valid time");
        Self {
            database: TestDatabase::create().await,
            clock: Arc::new(ManualClock::at(beginning)),
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a port is free"),
            views: projections::all(),
            routes: routes(),
            beat: BEAT,
            listener_of_notices: Arc::new(GatewayNotices { secrets: vec![Secret::from(SECRET.to_owned())] }),
            stop: CancellationToken::new(),
        }
    }

    /// A gateway that tells the platform of what happens.
    async fn gateway(&self, seed: u64, faults: Profile) -> Gateway {
        let platform = self.listener.local_addr().expect("it is bound");
        let url = format!("http://{platform}/api/financial/payments/webhook");
        let book = tempfile::tempdir().expect("a folder");
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            book: book.path().join("book"),
            seed,
            faults,
            slow: Duration::from_millis(100),
            webhook: Some(Webhook { url: url.parse().expect("an address"), secret: SECRET.to_owned() }),
            clock: self.clock.clone(),
        };
        let server = Server::bind(config).await.expect("the gateway starts");
        let address = server.local_addr().expect("it listens");
        tokio::spawn(server.run(self.stop.clone()));
        Gateway { address, _book: book }
    }
}

/// How far the read models are, as their checkpoints say.
struct Checkpoints(PgPool);

#[async_trait]
impl Freshness for Checkpoints {
    /// However slow the machine is, a test reads what was written before.
    async fn wait(&self, view: &str, position: i64, _: Duration) -> Option<i64> {
        checkpoint::reached(&self.0, view, position, PATIENCE).await.ok().filter(|&shown| shown >= position)
    }
}

#[async_trait]
impl Subscriptions for Checkpoints {
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>> {
        let (_, standings) = standing::standings(&self.0).await?;
        let state = |of: standing::Standing| SubscriptionState {
            name: of.name,
            position: of.position,
            lag: of.lag,
            parked: of.parked,
            stuck: of.stuck.map(|stuck| Standstill { since: stuck.since, why: stuck.why }),
        };
        Ok(standings.into_iter().map(state).collect())
    }
}
