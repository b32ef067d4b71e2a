//! What each may do now, and why not what they may not: asked of the rules themselves, so that no client has to guess.

use chrono::{DateTime, Utc};
use serde::Serialize;
use strum::AsRefStr;
use uuid::Uuid;

use super::event::{EscrowCommand as C, EscrowRefusal, Evidence, Receipt};
use super::state::Escrow;
use crate::digest::Digest;
use crate::ids::{AccountId, DisputeId, MilestoneId, MovementId};
use crate::kernel::Decider;
use crate::money::Money;

/// Something that a party may want to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowAction))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    Propose,
    Agree,
    Cancel,
    Start,
    Submit,
    ConfirmReceipt,
    RequestRevision,
    Approve,
    Release,
    RequestRefund,
    Refund,
    OpenDispute,
}

/// An action, and why it cannot be taken now.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub action: Action,
    pub milestone: Option<MilestoneId>,
    /// `None` where it may be done.
    pub refusal: Option<EscrowRefusal>,
    /// It is done already: asking for it again changes nothing.
    pub done: bool,
}

impl Escrow {
    /// All that somebody might do at a time, each as this escrow would answer it.
    #[must_use]
    pub fn choices(&self, by: AccountId, at: DateTime<Utc>) -> Vec<Choice> {
        let Some(terms_hash) = self.terms_hash().cloned() else { return vec![] };
        let mut all = vec![
            self.choice(Action::Propose, None, C::Propose { by, at }),
            self.choice(Action::Agree, None, C::Agree { by, terms_hash, at }),
            self.choice(Action::Cancel, None, C::Cancel { by, at }),
        ];
        for of in self.milestones() {
            let milestone = of.id();
            let (held, unit) = (of.held(), Money::new(1, of.held().currency));
            let amount = if held.amount > 0 { held } else { unit };
            let (movement, dispute) = (MovementId::from_uuid(Uuid::nil()), DisputeId::from_uuid(Uuid::nil()));
            let evidence = vec![any_evidence()];
            let receipt = Receipt::Buyer { account: by };
            all.extend(
                [
                    (Action::Start, C::Start { by, milestone, at }),
                    (Action::Submit, C::Submit { by, milestone, evidence, at }),
                    (Action::ConfirmReceipt, C::ConfirmReceipt { milestone, receipt, at }),
                    (Action::RequestRevision, C::RequestRevision { by, milestone, reason: None, at }),
                    (Action::Approve, C::Approve { by, milestone, at }),
                    (Action::Release, C::Release { by, release: movement, milestone, amount: unit, at }),
                    (Action::RequestRefund, C::RequestRefund { by, milestone, amount, reason: None, at }),
                    (Action::Refund, C::Refund { by, refund: movement, milestone, amount, at }),
                    (Action::OpenDispute, C::OpenDispute { by, dispute, milestone, reason: None, at }),
                ]
                .map(|(action, command)| self.choice(action, Some(milestone), command)),
            );
        }
        all
    }

    fn choice(&self, action: Action, milestone: Option<MilestoneId>, command: C) -> Choice {
        match self.decide(command) {
            Ok(events) => Choice { action, milestone, refusal: None, done: events.is_empty() },
            Err(refusal) => Choice { action, milestone, refusal: Some(refusal), done: false },
        }
    }
}

/// Evidence to ask with: what is asked is not recorded.
fn any_evidence() -> Evidence {
    Evidence {
        hash: Digest::of("choices"),
        size: 1,
        media_type: "text/plain".into(),
        reference: "choices".into(),
    }
}
