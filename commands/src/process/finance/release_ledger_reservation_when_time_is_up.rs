//! When the time of a pending ledger transaction is up, it expires, and its accounts let go of what it has reserved.
//!
//! The transaction ends first: from then on nothing is posted of it. Until an account has let go, it holds too much
//! and never too little.

use chrono::{DateTime, TimeDelta, Utc};
use domain::finance::ledger_account::{LedgerAccount, LedgerAccountCommand};
use domain::finance::ledger_transaction::{
    LedgerTransaction, LedgerTransactionCommand, LedgerTransactionEvent as E,
};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::process::Process;

/// Process `release_ledger_reservation_when_time_is_up`.
pub struct ReleaseLedgerReservationWhenTimeIsUp;

impl Process for ReleaseLedgerReservationWhenTimeIsUp {
    fn name(&self) -> &'static str {
        "release_ledger_reservation_when_time_is_up"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[LedgerTransaction::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some((transaction, happened)) = event.happened_to::<LedgerTransaction>()? else {
            return Ok(vec![]);
        };
        Ok(match happened {
            E::Reserved(reservation) => {
                let left = (reservation.expires_at - event.recorded_at).max(TimeDelta::zero());
                vec![Instruction::remind(transaction, left)]
            }
            E::PendingPosted { .. } | E::Voided { .. } => vec![Instruction::forget(transaction)],
            E::Expired { leg } => [&leg.debit, &leg.credit]
                .map(|account| {
                    let release = LedgerAccountCommand::Release { transaction };
                    Instruction::to::<LedgerAccount>(account.clone(), release)
                })
                .into(),
            E::Posted(_) | E::Reversed { .. } => vec![],
        })
    }

    fn due(
        &self,
        cause: &Recorded,
        _key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        let Some((transaction, _)) = cause.happened_to::<LedgerTransaction>()? else { return Ok(vec![]) };
        let expire = LedgerTransactionCommand::Expire { at: due_at };
        Ok(vec![Instruction::to::<LedgerTransaction>(transaction, expire)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::finance::ledger_transaction::{Leg, Reservation};
    use domain::ids::LedgerTransactionId;
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    const ID: LedgerTransactionId = LedgerTransactionId::from_uuid(Uuid::from_u128(1));

    fn leg() -> Leg {
        let amount = Money::new(5, Currency::USD);
        Leg { debit: "a@USD".parse().unwrap(), credit: "b@USD".parse().unwrap(), amount, code: None }
    }

    fn heard(event: &E) -> Recorded {
        Recorded::example::<LedgerTransaction>(ID.to_string(), event)
    }

    #[test]
    fn what_is_pending_is_looked_at_again_when_its_time_is_up() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::minutes(15);
        let pending = heard(&E::Reserved(Reservation {
            leg: leg(),
            expires_at: at,
            reference: None,
            description: None,
        }));
        let process = ReleaseLedgerReservationWhenTimeIsUp;
        assert_eq!(process.react(&pending), Ok(vec![Instruction::remind(ID, TimeDelta::minutes(15))]));
        let expire = LedgerTransactionCommand::Expire { at };
        let due = process.due(&pending, &ID.to_string(), at);
        assert_eq!(due, Ok(vec![Instruction::to::<LedgerTransaction>(ID, expire)]));
        let voided = heard(&E::Voided { leg: leg() });
        assert_eq!(process.react(&voided), Ok(vec![Instruction::forget(ID)]));
    }

    #[test]
    fn both_accounts_let_go_of_what_has_expired() {
        let release = |account: &str| {
            let release = LedgerAccountCommand::Release { transaction: ID };
            Instruction::to::<LedgerAccount>(account.parse().unwrap(), release)
        };
        let told = ReleaseLedgerReservationWhenTimeIsUp.react(&heard(&E::Expired { leg: leg() }));
        assert_eq!(told, Ok(vec![release("a@USD"), release("b@USD")]));
    }
}
