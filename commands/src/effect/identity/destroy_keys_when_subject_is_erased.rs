//! When a person's data is erased, the vault destroys their keys.
//!
//! What is erased stays erased: it is tried until the vault has done it, however long that takes, and only then is it
//! recorded. A repeat destroys nothing more.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::subject::{Subject, SubjectCommand, SubjectEvent};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::pii::Whose;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::port::vault::Vault;

/// Effect `destroy_keys_when_subject_is_erased`.
pub struct DestroyKeysWhenSubjectIsErased {
    pub vault: Arc<dyn Vault>,
}

/// How long it is at least until it is tried again, and how long at most.
const SOONEST: TimeDelta = TimeDelta::seconds(2);
const LATEST: TimeDelta = TimeDelta::hours(1);
/// A vault that has not answered for so long is somebody's to look at.
const LONG: TimeDelta = TimeDelta::hours(12);

#[async_trait]
impl Effect for DestroyKeysWhenSubjectIsErased {
    fn name(&self) -> &'static str {
        "destroy_keys_when_subject_is_erased"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Subject::NAME]
    }

    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        self.destroy(event, TimeDelta::zero()).await
    }

    async fn due(
        &self,
        cause: &Recorded,
        _key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        self.destroy(cause, due_at - cause.recorded_at).await
    }
}

impl DestroyKeysWhenSubjectIsErased {
    async fn destroy(&self, event: &Recorded, waited: TimeDelta) -> Result<Vec<Instruction>, Unreadable> {
        let Some((subject, SubjectEvent::Erased { classes, .. })) = event.happened_to::<Subject>()? else {
            return Ok(vec![]);
        };
        match self.vault.destroy(&Whose::new(event.workspace, subject.clone()), classes).await {
            Ok(()) => {
                let destroyed = SubjectCommand::RecordKeysDestroyed { classes: classes.clone() };
                Ok(vec![Instruction::to::<Subject>(subject, destroyed)])
            }
            Err(error) => {
                if waited > LONG {
                    tracing::error!(subject.id = %subject, error = %error, "erased data has its keys still: mend the vault");
                } else {
                    tracing::warn!(subject.id = %subject, error = %error, "keys are destroyed later");
                }
                let after = waited + waited.clamp(SOONEST, LATEST);
                Ok(vec![Instruction::remind(event.sequence, after)])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::identity::subject::ErasureReason;
    use domain::ids::CustomerId;
    use domain::pii::{Class, Opened, Pii};
    use uuid::Uuid;

    use super::*;
    use crate::port::vault::fake::FakeVault;
    use crate::port::vault::{Ask, seal};

    domain::personal! {
        Email = "test.somebody", "email", Contact;
    }

    fn classes() -> BTreeSet<Class> {
        [Class::Contact].into()
    }

    fn erased() -> Recorded {
        let event = SubjectEvent::Erased {
            classes: classes(),
            reason: ErasureReason::Asked,
            requested_by: "ann".into(),
            approved_by: None,
        };
        Recorded::example::<Subject>(CustomerId::from_uuid(Uuid::from_u128(1)).to_string(), &event)
    }

    fn recorded() -> Vec<Instruction> {
        let command = SubjectCommand::RecordKeysDestroyed { classes: classes() };
        vec![Instruction::to::<Subject>(CustomerId::from_uuid(Uuid::from_u128(1)).into(), command)]
    }

    #[tokio::test]
    async fn the_keys_are_gone_before_that_is_recorded_and_once_however_often_it_is_told() {
        let vault = Arc::new(FakeVault::default());
        let whose = Whose::new(erased().workspace, CustomerId::from_uuid(Uuid::from_u128(1)));
        let email: Pii<Email> = seal(&*vault, &whose, "jane@example.com").await.unwrap();
        let effect = DestroyKeysWhenSubjectIsErased { vault: vault.clone() };
        for _ in 0..2 {
            assert_eq!(effect.perform(&erased()).await.unwrap(), recorded());
            assert_eq!(vault.open(&[Ask::of(&whose, &email)]).await, [Opened::Erased]);
        }
    }

    #[tokio::test]
    async fn a_vault_that_is_away_is_asked_again_until_it_has_done_it() {
        let vault = Arc::new(FakeVault::default());
        vault.set_away(true);
        let effect = DestroyKeysWhenSubjectIsErased { vault: vault.clone() };
        assert_eq!(effect.perform(&erased()).await.unwrap(), [Instruction::remind(1, SOONEST)]);
        let mut waited = SOONEST;
        for _ in 0..100 {
            let due = effect.due(&erased(), "1", erased().recorded_at + waited).await.unwrap();
            let next = waited + waited.clamp(SOONEST, LATEST);
            assert_eq!(due, [Instruction::remind(1, next)]);
            waited = next;
        }
        vault.set_away(false);
        assert_eq!(effect.due(&erased(), "1", erased().recorded_at + waited).await.unwrap(), recorded());
    }

    #[tokio::test]
    async fn nothing_follows_from_what_is_not_erased() {
        let effect = DestroyKeysWhenSubjectIsErased { vault: Arc::new(FakeVault::default()) };
        let told = Recorded::example::<Subject>(
            CustomerId::from_uuid(Uuid::from_u128(1)),
            &SubjectEvent::KeysDestroyed { classes: classes() },
        );
        assert_eq!(effect.perform(&told).await.unwrap(), []);
    }
}
