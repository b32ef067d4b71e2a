//! When a credential is replaced or removed, or the person whose it is is erased, it is deleted (docs/adr/0023).
//!
//! Nothing needs it any more from the event on, so it is tried until it is done, and recorded nowhere.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::password::{Password, PasswordEvent};
use domain::identity::subject::{Subject, SubjectEvent};
use domain::identity::two_factor::{TwoFactor, TwoFactorEvent};
use domain::ids::{AccountId, CredentialId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::pii::Class;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::identity::workspace::PLATFORM;
use crate::port::credential::{Credentials, NotKept};

/// Effect `discard_credential_when_replaced`.
pub struct DiscardCredentialWhenReplaced {
    pub credentials: Arc<dyn Credentials>,
}

/// How long it is until it is tried again, at first and at most.
const SOONEST: TimeDelta = TimeDelta::seconds(2);
const LATEST: TimeDelta = TimeDelta::hours(1);

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gone {
    credentials: Vec<CredentialId>,
    /// All of a person's.
    of: Option<AccountId>,
}

#[async_trait]
impl Effect for DiscardCredentialWhenReplaced {
    fn name(&self) -> &'static str {
        "discard_credential_when_replaced"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Password::NAME, Subject::NAME, TwoFactor::NAME]
    }

    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        self.discard(event, TimeDelta::zero()).await
    }

    async fn due(
        &self,
        cause: &Recorded,
        _key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        self.discard(cause, due_at - cause.recorded_at).await
    }
}

fn gone(event: &Recorded) -> Result<Gone, Unreadable> {
    let mut gone = Gone::default();
    match event.of::<Password>()? {
        Some(PasswordEvent::Changed { replaced, .. }) => gone.credentials.push(*replaced),
        Some(PasswordEvent::Reset { replaced, .. }) => gone.credentials.extend(*replaced),
        Some(PasswordEvent::Set { .. } | PasswordEvent::ResetAsked { .. }) | None => {}
    }
    match event.of::<TwoFactor>()? {
        Some(TwoFactorEvent::Enrolled { dropped, .. }) => gone.credentials.extend(*dropped),
        Some(TwoFactorEvent::RecoveryRenewed { replaced, .. }) => gone.credentials.push(*replaced),
        Some(TwoFactorEvent::Removed { credential, recovery }) => {
            gone.credentials.extend([*credential, *recovery]);
        }
        Some(
            TwoFactorEvent::Confirmed { .. }
            | TwoFactorEvent::Used { .. }
            | TwoFactorEvent::RecoveryUsed { .. },
        )
        | None => {}
    }
    if let Some((subject, SubjectEvent::Erased { classes, .. })) = event.happened_to::<Subject>()?
        && event.workspace == PLATFORM
        && classes.contains(&Class::Contact)
    {
        // Other people than those with an account have no credentials.
        gone.of = subject.as_str().parse().ok();
    }
    Ok(gone)
}

impl DiscardCredentialWhenReplaced {
    async fn discard(&self, event: &Recorded, waited: TimeDelta) -> Result<Vec<Instruction>, Unreadable> {
        if let Err(error) = self.try_to(&gone(event)?).await {
            tracing::warn!(stream.id = event.id, error = %error, "a credential that nothing needs is deleted later");
            let after = waited + waited.clamp(SOONEST, LATEST);
            return Ok(vec![Instruction::remind(event.sequence, after)]);
        }
        Ok(vec![])
    }

    async fn try_to(&self, gone: &Gone) -> Result<(), NotKept> {
        for credential in &gone.credentials {
            self.credentials.discard(*credential).await?;
        }
        match gone.of {
            Some(account) => self.credentials.discard_all(account).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::subject::ErasureReason;
    use domain::ids::{ChallengeId, WorkspaceId};
    use domain::pii::{Place, Sealed, Whose};
    use uuid::Uuid;

    use super::*;
    use crate::port::credential::fake::FakeCredentials;
    use crate::port::vault::Vault;
    use crate::port::vault::fake::FakeVault;

    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));

    fn credential(number: u128) -> CredentialId {
        CredentialId::from_uuid(Uuid::from_u128(number))
    }

    async fn sealed() -> Sealed {
        let place = Place { events: "identity.password", field: "hash", class: Class::Contact };
        FakeVault::default().seal(&Whose::new(PLATFORM, ANN), place, "hash").await.unwrap()
    }

    /// Four of Ann's, one of Ben's.
    async fn kept() -> Arc<FakeCredentials> {
        let credentials = Arc::new(FakeCredentials::default());
        for (number, of) in [(1, ANN), (2, ANN), (3, ANN), (4, ANN), (5, BEN)] {
            credentials.keep(credential(number), of, &sealed().await).await.unwrap();
        }
        credentials
    }

    async fn left(after: Recorded) -> Vec<u128> {
        let credentials = kept().await;
        let effect = DiscardCredentialWhenReplaced { credentials: credentials.clone() };
        for _ in 0..2 {
            assert_eq!(effect.perform(&after).await.unwrap(), []);
        }
        let mut left = Vec::new();
        for number in 1..=5 {
            left.extend(credentials.find(credential(number)).await.unwrap().map(|_| number));
        }
        left
    }

    #[tokio::test]
    async fn what_was_replaced_or_removed_is_gone_and_nothing_else() {
        let of_password = |event| Recorded::example::<Password>(ANN.to_string(), &event);
        let challenge = ChallengeId::from_uuid(Uuid::from_u128(9));
        let (one, two) = (credential(1), credential(2));
        for event in [
            PasswordEvent::Changed { credential: two, replaced: one },
            PasswordEvent::Reset { challenge, credential: two, replaced: Some(one) },
        ] {
            assert_eq!(left(of_password(event)).await, [2, 3, 4, 5]);
        }
        for event in [
            PasswordEvent::Set { credential: one },
            PasswordEvent::Reset { challenge, credential: one, replaced: None },
        ] {
            assert_eq!(left(of_password(event)).await, [1, 2, 3, 4, 5]);
        }
        let of_factor = |event| Recorded::example::<TwoFactor>(ANN.to_string(), &event);
        let removed = TwoFactorEvent::Removed { credential: one, recovery: two };
        assert_eq!(left(of_factor(removed)).await, [3, 4, 5]);
        let renewed = TwoFactorEvent::RecoveryRenewed { recovery: one, replaced: two };
        assert_eq!(left(of_factor(renewed)).await, [1, 3, 4, 5]);
        let dropped = TwoFactorEvent::Enrolled { credential: one, dropped: Some(two) };
        assert_eq!(left(of_factor(dropped)).await, [1, 3, 4, 5]);
    }

    #[tokio::test]
    async fn all_of_a_persons_go_when_they_are_erased() {
        let erased = |classes: &[Class]| {
            let classes = classes.iter().copied().collect();
            let (requested_by, reason) = ("ann".into(), ErasureReason::Asked);
            let event = SubjectEvent::Erased { classes, reason, requested_by, approved_by: None };
            Recorded::example::<Subject>(ANN.to_string(), &event)
        };
        assert_eq!(erased(&[]).workspace, PLATFORM);
        assert_eq!(left(erased(&[Class::Contact])).await, [5]);
        assert_eq!(left(erased(&[Class::Trace])).await, [1, 2, 3, 4, 5]);
        let mut elsewhere = erased(&[Class::Contact]);
        elsewhere.workspace = WorkspaceId::from_uuid(Uuid::from_u128(7));
        assert_eq!(left(elsewhere).await, [1, 2, 3, 4, 5]);
    }
}
