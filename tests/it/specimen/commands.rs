//! Acting on specimens.

use super::domain::{Specimen, SpecimenCommand};
use domain::ids::CartId as SpecimenId;
use tracing::instrument;

use commands::{Context, Outcome, Result};

/// Making and changing specimens.
pub const MANAGE: &str = "specimen:manage";
/// Reading specimens.
pub const READ: &str = "specimen:read";

/// Creates a specimen.
#[instrument(name = "specimen.create", skip_all)]
pub async fn create(cx: Context, title: String) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.create::<Specimen>(SpecimenCommand::Create { title }).await
}

/// Gives it another title.
#[instrument(name = "specimen.rename", skip_all, fields(specimen.id = %id))]
pub async fn rename(cx: Context, id: SpecimenId, title: String) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Specimen>(id, SpecimenCommand::Rename { title }).await
}

/// Takes it out of use, for good.
#[instrument(name = "specimen.retire", skip_all, fields(specimen.id = %id))]
pub async fn retire(cx: Context, id: SpecimenId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Specimen>(id, SpecimenCommand::Retire).await
}
