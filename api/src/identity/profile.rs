//! `/api/users/me`: who a person is, as they say themselves.

mod export;

use std::collections::BTreeMap;

use axum::extract::State;
use commands::Context;
use commands::identity::account::whose;
use commands::identity::profile::{self, Edits};
use commands::identity::workspace::PLATFORM;
use domain::identity::account::Account;
use domain::ids::AccountId;
use domain::locale::{Locale, TimeZone};
use projections::identity::profile::Profiles;
use projections::{View, find};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Person, PersonCommand, Show};
use crate::fresh::MinPosition;
use crate::personal::{Opening, PersonalText};
use crate::problem::{Problem, Result};
use crate::schema;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, update)).merge(export::routes())
}

/// You, as you have said who you are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    pub id: AccountId,
    /// Where you get mail, and sign in with.
    pub email: PersonalText,
    pub name: Option<PersonalText>,
    pub phone: Option<PersonalText>,
    pub postal_address: Option<PersonalText>,
    /// How you read, as BCP 47 writes it.
    #[schema(value_type = String)]
    pub locale: Locale,
    /// By which clock you live.
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<TimeZone>,
    pub preferences: BTreeMap<String, String>,
}

/// What is to be said of you from now on. What is left out stays as it is; `null` clears.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProfileChange {
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<String>, pattern = r"^\+?[0-9][0-9 ()./-]{2,31}$", example = "+41 44 668 18 00")]
    phone: Option<Option<String>>,
    /// In the lines of a letter.
    #[serde(default, deserialize_with = "told")]
    #[schema(schema_with = postal_address)]
    postal_address: Option<Option<String>>,
    /// As BCP 47 writes it.
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$", example = "de-CH")]
    locale: Option<Locale>,
    /// A name of the IANA database.
    #[schema(value_type = Option<String>, nullable = false, max_length = 64, example = "Europe/Zurich")]
    time_zone: Option<TimeZone>,
    /// By name: words of programs, and `null` removes one.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    preferences: BTreeMap<String, Option<String>>,
}

/// Said to be nothing is not the same as not said.
fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn postal_address() -> utoipa::openapi::schema::Object {
    schema::lines_if_any(500)
}

/// Show who you are.
#[utoipa::path(get, path = "/api/users/me", tag = "user", security(("access_token" = [])),
    params(MinPosition), responses((status = 200, body = Me)))]
async fn show(State(app): State<App>, Person(cx, _): Person, Show(fresh): Show) -> Result<Shown<Me>> {
    me(&app, &cx, &fresh).await
}

/// The actor, as they may read themselves.
pub(super) async fn me(app: &App, cx: &Context, fresh: &MinPosition) -> Result<Shown<Me>> {
    let account = cx.account()?;
    fresh.reached(app, Profiles::NAME).await?;
    let seen = fresh.seen(find::<Profiles>(&app.reads, PLATFORM, account).await?)?;
    let (position, row) = (seen.position, seen.value);
    let known = cx.load::<Account>(&account).await?.state;
    let whose = whose(account);
    let sealed = Opening::of(&whose)
        .and(known.address())
        .and(row.as_ref().and_then(|row| row.name.as_ref()))
        .and(row.as_ref().and_then(|row| row.phone.as_ref()))
        .and(row.as_ref().and_then(|row| row.postal_address.as_ref()));
    let mut opened = sealed.open(&*app.people()?.door.vault).await;
    let mut next = || opened.next().flatten();
    let email = next().ok_or_else(Problem::not_found)?;
    let (name, phone, postal_address) = (next(), next(), next());
    let version = row.as_ref().map_or(0, |row| row.stem.version);
    let registered = known.locale().cloned().unwrap_or_default();
    let locale = row.as_ref().and_then(|row| row.locale.clone()).unwrap_or(registered);
    let (time_zone, preferences) = row.map(|row| (row.time_zone, row.preferences)).unwrap_or_default();
    let body = Me { id: account, email, name, phone, postal_address, locale, time_zone, preferences };
    Ok(Shown { position, version: Some(version), body })
}

/// Say who you are: what is left out stays as it is, and `null` clears.
#[utoipa::path(patch, path = "/api/users/me", tag = "user", security(("access_token" = [])),
    request_body = ProfileChange, responses(Done))]
async fn update(
    State(app): State<App>,
    PersonCommand(cx, _, body): PersonCommand<ProfileChange>,
) -> Result<Done> {
    let ProfileChange { name, phone, postal_address, locale, time_zone, preferences } = body;
    let edits = Edits { name, phone, postal_address, locale, time_zone, preferences };
    Ok(Done(profile::update(cx, &*app.people()?.door.vault, edits).await?))
}
