//! Two-factor: a second proof beside the password, from an authenticator app (TOTP) or a recovery code.
//!
//! Its id is the account's. Seed and codes lie in the vault (docs/adr/0023); here stand the time steps and the codes
//! that were used, so that none is good twice. A seed counts once its first code was shown.
//! Repeating a request that already took effect decides nothing, save that a code is never taken again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, CredentialId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// How many recovery codes are made at once.
pub const CODES: u8 = 10;

/// What may be asked of a second factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TwoFactorCommand {
    /// Begin with a new seed; one that was never confirmed is dropped.
    Enrol { credential: CredentialId },
    /// The first code of the seed was shown: it is the one of this time step.
    Confirm { step: i64, recovery: CredentialId },
    /// A code was shown: it is the one of this time step.
    Use { step: i64 },
    /// A recovery code was shown: the one of this number.
    UseRecovery { code: u8 },
    /// Have new recovery codes; the old ones are good no more.
    RenewRecovery { recovery: CredentialId },
    /// Do without.
    Remove,
}

/// What has happened to a second factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum TwoFactorEvent {
    Enrolled {
        credential: CredentialId,
        /// A seed that was never confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped: Option<CredentialId>,
    },
    Confirmed {
        step: i64,
        recovery: CredentialId,
    },
    Used {
        step: i64,
    },
    RecoveryUsed {
        code: u8,
        left: u8,
    },
    RecoveryRenewed {
        recovery: CredentialId,
        replaced: CredentialId,
    },
    Removed {
        credential: CredentialId,
        recovery: CredentialId,
    },
}

/// Why a second factor says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum TwoFactorRefusal {
    #[error("the account has no second factor")]
    Unknown,
    #[error("the account has a second factor; remove it first")]
    AlreadyConfirmed,
    #[error("this code was used; wait for the next one")]
    CodeUsed,
    #[error("this recovery code was used, or is none")]
    RecoveryCodeUsed,
}

/// A second factor, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TwoFactor {
    seed: Option<CredentialId>,
    recovery: Option<CredentialId>,
    last_step: i64,
    used: BTreeSet<u8>,
}

impl TwoFactor {
    /// The seed and the recovery codes to check by, if a second factor is asked for.
    #[must_use]
    pub fn confirmed(&self) -> Option<(CredentialId, CredentialId)> {
        self.seed.zip(self.recovery)
    }

    /// How many recovery codes are good.
    #[must_use]
    pub fn recovery_left(&self) -> usize {
        if self.recovery.is_some() { usize::from(CODES) - self.used.len() } else { 0 }
    }

    /// A seed that waits for its first code.
    #[must_use]
    pub fn enrolled(&self) -> Option<CredentialId> {
        self.seed.filter(|_| self.recovery.is_none())
    }
}

impl Decider for TwoFactor {
    const NAME: &'static str = "identity.two_factor";
    type Id = AccountId;
    type Command = TwoFactorCommand;
    type Event = TwoFactorEvent;
    type Refusal = TwoFactorRefusal;

    fn decide(&self, command: TwoFactorCommand) -> Result<Vec<TwoFactorEvent>, TwoFactorRefusal> {
        use {TwoFactorCommand as C, TwoFactorEvent as E, TwoFactorRefusal as No};
        let Some((credential, recovery)) = self.confirmed() else {
            return match (self.seed, command) {
                (Some(waiting), C::Enrol { credential }) if waiting == credential => Ok(vec![]),
                (dropped, C::Enrol { credential }) => Ok(vec![E::Enrolled { credential, dropped }]),
                (Some(_), C::Confirm { step, recovery }) => Ok(vec![E::Confirmed { step, recovery }]),
                (_, _) => Err(No::Unknown),
            };
        };
        match command {
            C::Enrol { .. } | C::Confirm { .. } => Err(No::AlreadyConfirmed),

            C::Use { step } if step <= self.last_step => Err(No::CodeUsed),
            C::Use { step } => Ok(vec![E::Used { step }]),

            C::UseRecovery { code } if code >= CODES || self.used.contains(&code) => {
                Err(No::RecoveryCodeUsed)
            }
            C::UseRecovery { code } => {
                let left = (0..CODES).filter(|other| *other != code && !self.used.contains(other)).count();
                Ok(vec![E::RecoveryUsed { code, left: u8::try_from(left).unwrap_or(CODES) }])
            }

            C::RenewRecovery { recovery: new } if new == recovery => Ok(vec![]),
            C::RenewRecovery { recovery: new } => {
                Ok(vec![E::RecoveryRenewed { recovery: new, replaced: recovery }])
            }

            C::Remove => Ok(vec![E::Removed { credential, recovery }]),
        }
    }

    fn evolve(&mut self, event: TwoFactorEvent) {
        match event {
            TwoFactorEvent::Enrolled { credential, .. } => self.seed = Some(credential),
            TwoFactorEvent::Confirmed { step, recovery } => {
                (self.last_step, self.recovery) = (step, Some(recovery));
            }
            TwoFactorEvent::Used { step } => self.last_step = step,
            TwoFactorEvent::RecoveryUsed { code, .. } => _ = self.used.insert(code),
            TwoFactorEvent::RecoveryRenewed { recovery, .. } => {
                self.recovery = Some(recovery);
                self.used.clear();
            }
            TwoFactorEvent::Removed { .. } => *self = Self::default(),
        }
    }
}

impl Event for TwoFactorEvent {}

impl Refusal for TwoFactorRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadyConfirmed | Self::CodeUsed | Self::RecoveryCodeUsed => Kind::Conflict,
        }
    }
}

sourced!(TwoFactor, TwoFactorEvent);

#[cfg(test)]
mod tests {
    use super::{TwoFactorCommand as C, TwoFactorEvent as E, TwoFactorRefusal as No, *};
    use crate::kernel::{Given, given};
    use uuid::Uuid;

    const SEED: CredentialId = CredentialId::from_uuid(Uuid::from_u128(1));
    const OTHER: CredentialId = CredentialId::from_uuid(Uuid::from_u128(2));
    const CODES_1: CredentialId = CredentialId::from_uuid(Uuid::from_u128(3));
    const CODES_2: CredentialId = CredentialId::from_uuid(Uuid::from_u128(4));

    fn enrolled() -> E {
        E::Enrolled { credential: SEED, dropped: None }
    }

    fn confirmed() -> Given<TwoFactor> {
        given([enrolled(), E::Confirmed { step: 100, recovery: CODES_1 }])
    }

    fn confirm(step: i64) -> C {
        C::Confirm { step, recovery: CODES_1 }
    }

    #[test]
    fn counts_once_its_first_code_was_shown() {
        assert_eq!(given::<TwoFactor>([]).when(C::Enrol { credential: SEED }), Ok(vec![enrolled()]));
        let waiting = given::<TwoFactor>([enrolled()]);
        assert_eq!((waiting.0.enrolled(), waiting.0.confirmed()), (Some(SEED), None));
        assert_eq!(waiting.when(C::Use { step: 1 }), Err(No::Unknown));
        assert_eq!(waiting.when(confirm(100)), Ok(vec![E::Confirmed { step: 100, recovery: CODES_1 }]));
        let counts = waiting.and(confirm(100));
        assert_eq!((counts.0.enrolled(), counts.0.confirmed()), (None, Some((SEED, CODES_1))));
        assert_eq!(counts.when(confirm(101)), Err(No::AlreadyConfirmed));
        assert_eq!(counts.when(C::Enrol { credential: OTHER }), Err(No::AlreadyConfirmed));
    }

    #[test]
    fn a_new_seed_drops_the_one_that_was_never_confirmed() {
        let waiting = given::<TwoFactor>([enrolled()]);
        assert_eq!(waiting.when(C::Enrol { credential: SEED }), Ok(vec![]));
        let replaced = E::Enrolled { credential: OTHER, dropped: Some(SEED) };
        assert_eq!(waiting.when(C::Enrol { credential: OTHER }), Ok(vec![replaced]));
        assert_eq!(waiting.and(C::Enrol { credential: OTHER }).0.enrolled(), Some(OTHER));
    }

    #[test]
    fn no_code_is_taken_twice_nor_an_older_one() {
        for step in [99, 100] {
            assert_eq!(confirmed().when(C::Use { step }), Err(No::CodeUsed));
        }
        assert_eq!(confirmed().when(C::Use { step: 101 }), Ok(vec![E::Used { step: 101 }]));
        assert_eq!(confirmed().and(C::Use { step: 101 }).when(C::Use { step: 101 }), Err(No::CodeUsed));
    }

    #[test]
    fn each_recovery_code_is_good_once() {
        let used = |code, left| Ok(vec![E::RecoveryUsed { code, left }]);
        assert_eq!(confirmed().when(C::UseRecovery { code: 0 }), used(0, 9));
        assert_eq!(confirmed().when(C::UseRecovery { code: 9 }), used(9, 9));
        assert_eq!(confirmed().when(C::UseRecovery { code: 10 }), Err(No::RecoveryCodeUsed));
        let less = confirmed().and(C::UseRecovery { code: 3 });
        let waiting = given::<TwoFactor>([enrolled()]).0.recovery_left();
        assert_eq!((waiting, confirmed().0.recovery_left(), less.0.recovery_left()), (0, 10, 9));
        assert_eq!(less.when(C::UseRecovery { code: 3 }), Err(No::RecoveryCodeUsed));
        assert_eq!(less.when(C::UseRecovery { code: 4 }), used(4, 8));
    }

    #[test]
    fn new_recovery_codes_replace_all_old_ones() {
        let less = confirmed().and(C::UseRecovery { code: 3 });
        let renewed = E::RecoveryRenewed { recovery: CODES_2, replaced: CODES_1 };
        assert_eq!(less.when(C::RenewRecovery { recovery: CODES_2 }), Ok(vec![renewed]));
        let fresh = less.and(C::RenewRecovery { recovery: CODES_2 });
        assert_eq!(fresh.0.confirmed(), Some((SEED, CODES_2)));
        assert_eq!(fresh.when(C::RenewRecovery { recovery: CODES_2 }), Ok(vec![]));
        assert_eq!(fresh.when(C::UseRecovery { code: 3 }), Ok(vec![E::RecoveryUsed { code: 3, left: 9 }]));
    }

    #[test]
    fn is_gone_once_it_is_removed_and_may_begin_anew() {
        let removed = E::Removed { credential: SEED, recovery: CODES_1 };
        assert_eq!(confirmed().when(C::Remove), Ok(vec![removed]));
        let gone = confirmed().and(C::Remove);
        assert_eq!(gone.0, TwoFactor::default());
        for command in [C::Remove, C::Use { step: 101 }, C::UseRecovery { code: 1 }, confirm(1)] {
            assert_eq!(gone.when(command), Err(No::Unknown));
        }
        assert!(gone.when(C::Enrol { credential: OTHER }).is_ok());
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!((No::Unknown.kind(), No::CodeUsed.as_ref()), (Kind::Missing, "code_used"));
        for no in [No::AlreadyConfirmed, No::CodeUsed, No::RecoveryCodeUsed] {
            assert_eq!(no.kind(), Kind::Conflict);
        }
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (enrolled(), r#"{"type":"Enrolled","credential":"cred_00000000000000000000000001"}"#),
            (
                E::Enrolled { credential: OTHER, dropped: Some(SEED) },
                r#"{"type":"Enrolled","credential":"cred_00000000000000000000000002","dropped":"cred_00000000000000000000000001"}"#,
            ),
            (
                E::Confirmed { step: 100, recovery: CODES_1 },
                r#"{"type":"Confirmed","step":100,"recovery":"cred_00000000000000000000000003"}"#,
            ),
            (E::Used { step: 101 }, r#"{"type":"Used","step":101}"#),
            (E::RecoveryUsed { code: 3, left: 9 }, r#"{"type":"RecoveryUsed","code":3,"left":9}"#),
            (
                E::RecoveryRenewed { recovery: CODES_2, replaced: CODES_1 },
                r#"{"type":"RecoveryRenewed","recovery":"cred_00000000000000000000000004","replaced":"cred_00000000000000000000000003"}"#,
            ),
            (
                E::Removed { credential: SEED, recovery: CODES_1 },
                r#"{"type":"Removed","credential":"cred_00000000000000000000000001","recovery":"cred_00000000000000000000000003"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
