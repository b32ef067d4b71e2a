//! Jars: a capability of the tests' own, so that HTTP is tested without the business.

use std::time::Duration;

use api::App;
use api::answer::{Created, Done, Shown};
use api::extract::{Command, Creation, List, NoFilter, Path, Show};
use api::fresh::MinPosition;
use api::page::{ListId, Page, Paging};
use api::problem::{Problem, Result};
use api::read::Read;
use api::schema::Price;
use api::scope::needs;
use domain::ids::CartId;
use domain::kernel::{Decider, Event, Kind, Refusal};
use domain::sourced;
use serde::{Deserialize, Serialize};
use strum::AsRefStr;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum JarCommand {
    Open { label: String },
    Put { coins: i64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum JarEvent {
    Opened { label: String },
    Filled { coins: i64 },
}

#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum JarRefusal {
    #[error("no such jar")]
    Unknown,
    #[error("this jar is open already")]
    AlreadyOpened,
    #[error("the jar holds 100 coins and no more")]
    Full,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Jar {
    label: Option<String>,
    coins: i64,
}

impl Decider for Jar {
    const NAME: &'static str = "platform.jar";
    type Id = CartId;
    type Command = JarCommand;
    type Event = JarEvent;
    type Refusal = JarRefusal;

    fn decide(&self, command: JarCommand) -> Result<Vec<JarEvent>, JarRefusal> {
        match command {
            JarCommand::Open { .. } if self.label.is_some() => Err(JarRefusal::AlreadyOpened),
            JarCommand::Open { label } => Ok(vec![JarEvent::Opened { label }]),
            JarCommand::Put { .. } if self.label.is_none() => Err(JarRefusal::Unknown),
            JarCommand::Put { coins } if self.coins + coins > 100 => Err(JarRefusal::Full),
            JarCommand::Put { coins } => Ok(vec![JarEvent::Filled { coins }]),
        }
    }

    fn evolve(&mut self, event: JarEvent) {
        match event {
            JarEvent::Opened { label } => self.label = Some(label),
            JarEvent::Filled { coins } => self.coins += coins,
        }
    }
}

impl Event for JarEvent {}
impl Refusal for JarRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            _ => Kind::Conflict,
        }
    }
}
sourced!(Jar, JarEvent);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Open {
    #[schema(min_length = 1, max_length = 20)]
    label: String,
    #[expect(dead_code, reason = "only its form is looked at")]
    copy_of: Option<CartId>,
    #[expect(dead_code, reason = "only its form is looked at")]
    worth: Option<Price>,
    #[serde(default)]
    #[expect(dead_code, reason = "only its form is looked at")]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tag {
    #[expect(dead_code, reason = "only its form is looked at")]
    to: domain::ids::Sku,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Put {
    #[schema(minimum = 1)]
    coins: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Serialize, ToSchema)]
struct JarView {
    id: String,
    coins: i64,
}

const JARS: &str = "/api/jars";

const OPEN: &str = "jar:open";
const FILL: &str = "jar:fill";
const READ: &str = "jar:read";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(OPEN, routes!(open)))
        .routes(needs(READ, routes!(list)))
        .routes(needs(READ, routes!(show)))
        .routes(needs(FILL, routes!(put)))
        .routes(needs(FILL, routes!(stick)))
        .routes(needs(FILL, routes!(drop_it)))
}

/// Open a jar.
#[utoipa::path(post, path = "/api/jars", tag = "jar", request_body = Open, responses(Created))]
async fn open(Creation(cx, body): Creation<Open>) -> Result<Created> {
    cx.must(OPEN)?;
    let outcome = cx.create::<Jar>(JarCommand::Open { label: body.label }).await?;
    Ok(Created::at(JARS, outcome))
}

/// Put coins into a jar.
#[utoipa::path(post, path = "/api/jars/{id}/put", tag = "jar", params(("id" = String, Path)), request_body = Put,
    responses(Done))]
async fn put(Path(id): Path<CartId>, Command(cx, body): Command<Put>) -> Result<Done> {
    cx.must(FILL)?;
    Ok(Done(cx.execute::<Jar>(id, JarCommand::Put { coins: body.coins }).await?))
}

/// What a jar holds.
#[utoipa::path(get, path = "/api/jars/{id}", tag = "jar", params(("id" = String, Path), MinPosition),
    responses((status = 200, body = JarView)))]
async fn show(read: Read, Path(id): Path<CartId>, Show(at): Show) -> Result<Shown<JarView>> {
    at.reached(&read.app, "jar").await?;
    let jar = read.cx.load::<Jar>(&id).await?;
    if jar.version == 0 {
        return Err(Problem::not_found());
    }
    let body = JarView { id: id.to_string(), coins: jar.state.coins };
    Ok(Shown { position: read.cx.store().head().await?, version: Some(jar.version), body })
}

/// The numbers from 1 to 5, in pages.
#[utoipa::path(get, path = "/api/jars", tag = "jar", params(Paging, MinPosition),
    responses((status = 200, body = Page<i64>)))]
async fn list(read: Read, List(_all, paging, at): List<NoFilter>) -> Result<Shown<Page<i64>>> {
    at.reached(&read.app, "jar").await?;
    let list = ListId { workspace: read.cx.workspace, name: "jar", filter: "" };
    let after = paging.after::<i64>(&read.app.cursors, &list)?.unwrap_or(0);
    let rows = (after + 1..=5).take(usize::try_from(paging.rows()).unwrap()).collect();
    let body = Page::cut(rows, &paging, |last| read.app.cursors.seal(&list, last));
    Ok(Shown { position: 0, version: None, body })
}

/// Takes longer than anyone waits.
#[utoipa::path(post, path = "/api/jars/{id}/stick", tag = "jar", params(("id" = String, Path)),
    request_body = Nothing, responses(Done))]
async fn stick(Path(_id): Path<CartId>, Command(_cx, _none): Command<Nothing>) -> Result<Done> {
    tokio::time::sleep(Duration::from_secs(3600)).await; // Longer than anyone waits: the handler that hangs.
    Err(Problem::internal())
}

/// Breaks.
#[utoipa::path(post, path = "/api/jars/{id}/drop", tag = "jar", params(("id" = String, Path)),
    request_body = Nothing, responses(Done))]
async fn drop_it(Path(_id): Path<CartId>, Command(_cx, _none): Command<Nothing>) -> Result<Done> {
    panic!("CANARY-PANIC: the jar was dropped");
}
