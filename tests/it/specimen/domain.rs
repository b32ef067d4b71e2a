//! Specimen: a thing with a title, until it is retired.
//!
//! Its id is drawn when it is created. Retired is its end. Repeating a request that already took effect decides
//! nothing.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use domain::ids::CartId as SpecimenId;
use domain::kernel::{Decider, Event, Kind, Refusal};
use domain::sourced;

/// What may be asked of a specimen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SpecimenCommand {
    Create { title: String },
    Rename { title: String },
    Retire,
}

/// What has happened to a specimen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum SpecimenEvent {
    Created { title: String },
    Renamed { title: String },
    Retired,
}

/// Why a specimen says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum SpecimenRefusal {
    #[error("no such specimen")]
    Unknown,
    #[error("there is this specimen already")]
    AlreadyCreated,
    #[error("the specimen was retired")]
    Retired,
}

/// A specimen, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Specimen {
    title: Option<String>,
    retired: bool,
}

impl Decider for Specimen {
    const NAME: &'static str = "commerce.specimen";
    type Id = SpecimenId;
    type Command = SpecimenCommand;
    type Event = SpecimenEvent;
    type Refusal = SpecimenRefusal;

    fn decide(&self, command: SpecimenCommand) -> Result<Vec<SpecimenEvent>, SpecimenRefusal> {
        use {SpecimenCommand as C, SpecimenEvent as E, SpecimenRefusal as No};
        let Some(known) = &self.title else {
            return match command {
                C::Create { title } => Ok(vec![E::Created { title }]),
                _ => Err(No::Unknown),
            };
        };
        match command {
            C::Create { title } if !self.retired && title == *known => Ok(vec![]),
            C::Create { .. } => Err(No::AlreadyCreated),

            C::Retire if self.retired => Ok(vec![]),
            C::Retire => Ok(vec![E::Retired]),

            C::Rename { .. } if self.retired => Err(No::Retired),
            C::Rename { title } if title == *known => Ok(vec![]),
            C::Rename { title } => Ok(vec![E::Renamed { title }]),
        }
    }

    fn evolve(&mut self, event: SpecimenEvent) {
        match event {
            SpecimenEvent::Created { title } | SpecimenEvent::Renamed { title } => self.title = Some(title),
            SpecimenEvent::Retired => self.retired = true,
        }
    }
}

impl Event for SpecimenEvent {}
impl Refusal for SpecimenRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            _ => Kind::Conflict,
        }
    }
}
sourced!(Specimen, SpecimenEvent);

#[cfg(test)]
mod tests {
    use super::{SpecimenCommand as C, SpecimenEvent as E, SpecimenRefusal as No, *};
    use domain::kernel::given;

    fn created(title: &str) -> E {
        E::Created { title: title.into() }
    }

    fn rename(title: &str) -> C {
        C::Rename { title: title.into() }
    }

    #[test]
    fn is_created_once() {
        let create = |title: &str| C::Create { title: title.into() };
        assert_eq!(given::<Specimen>([]).when(create("A")), Ok(vec![created("A")]));
        assert_eq!(given::<Specimen>([created("A")]).when(create("A")), Ok(vec![]));
        assert_eq!(given::<Specimen>([created("A")]).when(create("B")), Err(No::AlreadyCreated));
    }

    #[test]
    fn is_renamed_until_it_is_retired() {
        let known = given::<Specimen>([created("A")]);
        assert_eq!(known.when(rename("B")), Ok(vec![E::Renamed { title: "B".into() }]));
        assert_eq!(known.when(rename("A")), Ok(vec![]));
        assert_eq!(known.when(C::Retire), Ok(vec![E::Retired]));
        let retired = given::<Specimen>([created("A"), E::Retired]);
        assert_eq!(retired.when(rename("B")), Err(No::Retired));
        assert_eq!(retired.when(C::Retire), Ok(vec![]));
    }

    #[test]
    fn nothing_is_asked_of_what_is_not_there() {
        for command in [rename("A"), C::Retire] {
            assert_eq!(given::<Specimen>([]).when(command), Err(No::Unknown));
        }
    }

    #[test]
    fn its_events_are_on_disk_for_ever() {
        let renamed = E::Renamed { title: "B".into() };
        for (event, json) in [
            (created("A"), r#"{"type":"Created","title":"A"}"#),
            (renamed, r#"{"type":"Renamed","title":"B"}"#),
            (E::Retired, r#"{"type":"Retired"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
