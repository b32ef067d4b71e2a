//! `/api/ecommerce/specimens`: specimens.

use super::commands as specimen;
use super::domain::Specimen;
use super::projection::{SpecimenFilter, SpecimenView, Specimens};
use domain::ids::CartId as SpecimenId;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use api::answer::{Created, Done, Shown};
use api::app::App;
use api::extract::{Command, Creation, Id, List, NoBody, Path, Query, Show};
use api::fresh::MinPosition;
use api::history::Happened;
use api::page::{Page, Paging};
use api::problem::Result;
use api::read::Read;
use api::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(specimen::MANAGE, routes!(create)))
        .routes(needs(specimen::READ, routes!(list)))
        .routes(needs(specimen::READ, routes!(show)))
        .routes(needs(specimen::MANAGE, routes!(rename)))
        .routes(needs(specimen::MANAGE, routes!(retire)))
        .routes(needs(specimen::READ, routes!(history)))
}

/// What a specimen is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpecimenTitle {
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    title: String,
}

/// Create a specimen.
#[utoipa::path(post, path = "/api/ecommerce/specimens", tag = "specimen", request_body = SpecimenTitle,
    responses(Created))]
async fn create(Creation(cx, body): Creation<SpecimenTitle>) -> Result<Created> {
    Ok(Created::at("/api/ecommerce/specimens", specimen::create(cx, body.title).await?))
}

/// List specimens.
#[utoipa::path(get, path = "/api/ecommerce/specimens", tag = "specimen",
    params(SpecimenFilter, Paging, MinPosition), responses((status = 200, body = Page<SpecimenView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<SpecimenFilter>,
) -> Result<Shown<Page<SpecimenView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show a specimen.
#[utoipa::path(get, path = "/api/ecommerce/specimens/{id}", tag = "specimen",
    params(Id<SpecimenId>, MinPosition), responses((status = 200, body = SpecimenView)))]
async fn show(read: Read, Path(of): Path<Id<SpecimenId>>, Show(fresh): Show) -> Result<Shown<SpecimenView>> {
    read.one::<Specimens>(of.id, &fresh).await
}

/// Rename a specimen.
#[utoipa::path(post, path = "/api/ecommerce/specimens/{id}/rename", tag = "specimen",
    params(Id<SpecimenId>), request_body = SpecimenTitle, responses(Done))]
async fn rename(Path(of): Path<Id<SpecimenId>>, Command(cx, body): Command<SpecimenTitle>) -> Result<Done> {
    Ok(Done(specimen::rename(cx, of.id, body.title).await?))
}

/// Retire a specimen, for good.
#[utoipa::path(post, path = "/api/ecommerce/specimens/{id}/retire", tag = "specimen", params(Id<SpecimenId>),
    responses(Done))]
async fn retire(Path(of): Path<Id<SpecimenId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(specimen::retire(cx, of.id).await?))
}

/// Tell what has happened to a specimen.
#[utoipa::path(get, path = "/api/ecommerce/specimens/{id}/history", tag = "specimen",
    params(Id<SpecimenId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<SpecimenId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Specimen>(of.id, &paging).await
}
