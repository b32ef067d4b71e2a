//! Specimens, as they are shown and listed.

use super::domain::{Specimen, SpecimenEvent as E};
use domain::ids::CartId as SpecimenId;
use domain::kernel::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use projections::reading::{Filter, Listing, Order};
use projections::stream::{Stem, StreamView};
use projections::view::Unfoldable;

/// A specimen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpecimenView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<SpecimenId>,
    pub title: String,
    /// Whether it is out of use.
    pub retired: bool,
}

/// Specimens by id.
pub struct Specimens;

impl StreamView for Specimens {
    const NAME: &'static str = "specimen";
    type Of = Specimen;
    type Row = SpecimenView;

    fn stem(row: &mut SpecimenView) -> &mut Stem<SpecimenId> {
        &mut row.stem
    }

    fn begun(stem: Stem<SpecimenId>, happened: &E, _: &Recorded) -> Option<SpecimenView> {
        let E::Created { title } = happened.clone() else { return None };
        Some(SpecimenView { stem, title, retired: false })
    }

    fn apply(row: &mut SpecimenView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Created { .. } => {}
            E::Renamed { title } => row.title.clone_from(title),
            E::Retired => row.retired = true,
        }
        Ok(())
    }
}

/// Which specimens are asked for: the newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SpecimenFilter {
    /// Only those in use (`false`), or only those that are not (`true`).
    #[param(nullable = false)]
    pub retired: Option<bool>,
}

impl Filter for SpecimenFilter {
    type Of = Specimens;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Specimens>) -> Listing<Specimens> {
        list.only("t.retired = ", self.retired, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::WorkspaceId;
    use uuid::Uuid;

    #[test]
    fn shows_what_has_happened_to_it() {
        let id = SpecimenId::from_uuid(Uuid::from_u128(1));
        let events = [E::Created { title: "A".into() }, E::Renamed { title: "B".into() }, E::Retired];
        let example = |event| Recorded::example::<Specimen>(id.to_string(), event);
        let first = example(&events[0]);
        let stem = Stem {
            workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(1)),
            id,
            version: 0,
            created_at: first.recorded_at,
            updated_at: first.recorded_at,
        };
        assert_eq!(Specimens::begun(stem.clone(), &events[1], &example(&events[1])), None);
        let mut row = Specimens::begun(stem, &events[0], &first).unwrap();
        for (event, shown) in events.iter().zip([("A", false), ("B", false), ("B", true)]) {
            Specimens::apply(&mut row, event, &example(event)).unwrap();
            assert_eq!((row.title.as_str(), row.retired), shown);
        }
    }
}
