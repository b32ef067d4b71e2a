//! Subject: a person whose data is held, and the end of that data.
//!
//! An erasure is asked for, approved by a second person where that is wanted, and waits while a legal hold lasts. Once
//! it is [`SubjectEvent::Erased`] nothing takes it back: the keys of these classes are destroyed, however often that
//! has to be tried, and then it is recorded that they are.
//! Nothing here is personal data: people are ids, reasons are one of a few words.
//! Repeating a request that already took effect decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::HoldId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::pii::{Class, SubjectId};
use crate::sourced;

#[cfg(test)]
mod tests;

/// Why data is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErasureReason {
    /// The person wants it.
    Asked,
    /// It is no longer needed.
    NoLongerNeeded,
    /// It should never have been held.
    Unlawful,
}

/// Why data must be kept for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    Litigation,
    Dispute,
    Tax,
    Regulator,
}

/// What may be asked of a subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SubjectCommand {
    /// Nothing of it may be erased until the hold is lifted.
    PlaceHold {
        hold: HoldId,
        reason: HoldReason,
    },
    LiftHold {
        hold: HoldId,
    },
    RequestErasure {
        classes: BTreeSet<Class>,
        reason: ErasureReason,
        by: String,
        needs_approval: bool,
    },
    ApproveErasure {
        by: String,
    },
    WithdrawErasure,
    /// The vault says that the keys are gone.
    RecordKeysDestroyed {
        classes: BTreeSet<Class>,
    },
}

/// What has happened to a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum SubjectEvent {
    HoldPlaced {
        hold: HoldId,
        reason: HoldReason,
    },
    HoldLifted {
        hold: HoldId,
    },
    ErasureRequested {
        classes: BTreeSet<Class>,
        reason: ErasureReason,
        requested_by: String,
        needs_approval: bool,
    },
    ErasureApproved {
        approved_by: String,
    },
    ErasureWithdrawn,
    /// Its data of these classes is gone, from here on and for all that was before.
    Erased {
        classes: BTreeSet<Class>,
        reason: ErasureReason,
        requested_by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_by: Option<String>,
    },
    KeysDestroyed {
        classes: BTreeSet<Class>,
    },
}

/// Why a subject says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum SubjectRefusal {
    #[error("an erasure is of one class at least")]
    NoClasses,
    #[error("no such hold")]
    UnknownHold,
    #[error("another erasure is under way; wait for it, or withdraw it")]
    AlreadyRequested,
    #[error("no erasure was asked for")]
    NotRequested,
    #[error("who asked for an erasure cannot approve it; another person must")]
    SamePerson,
    #[error("this person's data was erased")]
    Erased,
    #[error("these keys were not to be destroyed")]
    NotErased,
}

/// An erasure that was asked for and has not come about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    classes: BTreeSet<Class>,
    reason: ErasureReason,
    requested_by: String,
    needs_approval: bool,
    approved_by: Option<String>,
}

impl Pending {
    fn is_decided(&self) -> bool {
        !self.needs_approval || self.approved_by.is_some()
    }

    fn carried_out(&self) -> SubjectEvent {
        SubjectEvent::Erased {
            classes: self.classes.clone(),
            reason: self.reason,
            requested_by: self.requested_by.clone(),
            approved_by: self.approved_by.clone(),
        }
    }
}

/// A subject, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Every hold there ever was, and whether it lasts.
    holds: BTreeMap<HoldId, bool>,
    pending: Option<Pending>,
    withdrawn: bool,
    approved_by: Option<String>,
    erased: BTreeSet<Class>,
    destroyed: BTreeSet<Class>,
}

impl Subject {
    /// Whether a hold keeps its data.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.holds.values().any(|&lasts| lasts)
    }

    /// What of its data is gone.
    #[must_use]
    pub fn erased(&self) -> &BTreeSet<Class> {
        &self.erased
    }

    /// Of what of its data the keys are gone.
    #[must_use]
    pub fn destroyed(&self) -> &BTreeSet<Class> {
        &self.destroyed
    }

    /// Whether an erasure was asked for that has not come about.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether an erasure that was asked for waits for a second person.
    #[must_use]
    pub fn awaits_approval(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| !pending.is_decided())
    }

    /// Whether its data of this class would be gone with this command.
    #[must_use]
    pub fn ends_with(&self, command: &SubjectCommand, class: Class) -> bool {
        let events = self.decide(command.clone()).unwrap_or_default();
        events
            .iter()
            .any(|event| matches!(event, SubjectEvent::Erased { classes, .. } if classes.contains(&class)))
    }
}

impl Decider for Subject {
    const NAME: &'static str = "identity.subject";
    type Id = SubjectId;
    type Command = SubjectCommand;
    type Event = SubjectEvent;
    type Refusal = SubjectRefusal;

    fn decide(&self, command: SubjectCommand) -> Result<Vec<SubjectEvent>, SubjectRefusal> {
        use {SubjectCommand as C, SubjectEvent as E, SubjectRefusal as No};
        match command {
            C::PlaceHold { hold, .. } if self.holds.contains_key(&hold) => Ok(vec![]),
            C::PlaceHold { .. } if self.erased.len() == Class::ALL.len() => Err(No::Erased),
            C::PlaceHold { hold, reason } => Ok(vec![E::HoldPlaced { hold, reason }]),

            C::LiftHold { hold } => match self.holds.get(&hold) {
                None => Err(No::UnknownHold),
                Some(false) => Ok(vec![]),
                Some(true) => Ok(self.followed_by_erasure(E::HoldLifted { hold })),
            },

            C::RequestErasure { classes, .. } if classes.is_empty() => Err(No::NoClasses),
            C::RequestErasure { classes, .. } if classes.is_subset(&self.erased) => Ok(vec![]),
            C::RequestErasure { classes, reason, by, needs_approval } => {
                let classes: BTreeSet<Class> = classes.difference(&self.erased).copied().collect();
                match &self.pending {
                    Some(pending) if pending.classes == classes && pending.requested_by == by => Ok(vec![]),
                    Some(_) => Err(No::AlreadyRequested),
                    None => {
                        let requested_by = by;
                        let asked = E::ErasureRequested { classes, reason, requested_by, needs_approval };
                        Ok(self.followed_by_erasure(asked))
                    }
                }
            }

            C::ApproveErasure { by } => match &self.pending {
                None if self.approved_by.as_ref() == Some(&by) => Ok(vec![]),
                None => Err(No::NotRequested),
                Some(pending) if pending.is_decided() => Ok(vec![]),
                Some(pending) if pending.requested_by == by => Err(No::SamePerson),
                Some(_) => Ok(self.followed_by_erasure(E::ErasureApproved { approved_by: by })),
            },

            C::WithdrawErasure if self.pending.is_some() => Ok(vec![E::ErasureWithdrawn]),
            C::WithdrawErasure if self.withdrawn => Ok(vec![]),
            C::WithdrawErasure if !self.erased.is_empty() => Err(No::Erased),
            C::WithdrawErasure => Err(No::NotRequested),

            C::RecordKeysDestroyed { classes } if classes.is_subset(&self.destroyed) => Ok(vec![]),
            C::RecordKeysDestroyed { classes } if !classes.is_subset(&self.erased) => Err(No::NotErased),
            C::RecordKeysDestroyed { classes } => Ok(vec![E::KeysDestroyed { classes }]),
        }
    }

    fn evolve(&mut self, event: SubjectEvent) {
        use SubjectEvent as E;
        match event {
            E::HoldPlaced { hold, .. } => _ = self.holds.insert(hold, true),
            E::HoldLifted { hold } => _ = self.holds.insert(hold, false),
            E::ErasureRequested { classes, reason, requested_by, needs_approval } => {
                self.withdrawn = false;
                self.pending =
                    Some(Pending { classes, reason, requested_by, needs_approval, approved_by: None });
            }
            E::ErasureApproved { approved_by } => {
                if let Some(pending) = &mut self.pending {
                    pending.approved_by = Some(approved_by);
                }
            }
            E::ErasureWithdrawn => {
                self.pending = None;
                self.withdrawn = true;
            }
            E::Erased { classes, approved_by, .. } => {
                self.pending = None;
                self.approved_by = approved_by;
                self.erased.extend(classes);
            }
            E::KeysDestroyed { classes } => self.destroyed.extend(classes),
        }
    }
}

impl Subject {
    /// An event, and the erasure if nothing stands in its way any more.
    fn followed_by_erasure(&self, event: SubjectEvent) -> Vec<SubjectEvent> {
        let mut after = self.clone();
        after.evolve(event.clone());
        let erasure = after.pending.as_ref().filter(|pending| pending.is_decided() && !after.is_held());
        std::iter::once(event).chain(erasure.map(Pending::carried_out)).collect()
    }
}

impl Event for SubjectEvent {}

impl Refusal for SubjectRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownHold => Kind::Missing,
            Self::NoClasses => Kind::Invalid,
            Self::AlreadyRequested
            | Self::NotRequested
            | Self::SamePerson
            | Self::Erased
            | Self::NotErased => Kind::Conflict,
        }
    }
}

sourced!(Subject, SubjectEvent);
