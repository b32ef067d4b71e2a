//! Refunding: how much of the captured money refunds hold, so that together they never exceed it.

use super::state::{Allotment, AllotmentStanding as Standing, Payment, Terms};
use super::{Decision, Fact, PaymentEvent as E, PaymentRefusal as No};
use crate::ids::RefundId;
use crate::money::Money;

impl Payment {
    pub(super) fn allot(&self, terms: &Terms, refund: RefundId, amount: Money) -> Decision {
        match self.refunds.get(&refund) {
            Some(known) if known.amount != amount => return Err(No::RefundReused),
            Some(known) if matches!(known.standing, Standing::Released | Standing::Reversed) => {
                return Err(No::RefundReleased);
            }
            Some(_) => return Ok(vec![]),
            None => {}
        }
        match self.charge() {
            _ if amount.currency != terms.amount.currency => Err(No::CurrencyMismatch(terms.amount.currency)),
            _ if amount.amount <= 0 => Err(No::InvalidAmount),
            _ if terms.asked.is_none() && self.can_refund(amount) => {
                Ok(vec![E::RefundSetAside { order: terms.order, refund, amount }])
            }
            _ if self.captured() == 0 => Err(No::NotCaptured),
            Some(charge) if self.can_refund(amount) => {
                Ok(vec![E::RefundAllotted { order: terms.order, refund, amount, charge }])
            }
            _ => Err(No::ExceedsRefundable(self.refundable(terms))),
        }
    }

    pub(super) fn release(&self, terms: &Terms, refund: RefundId) -> Decision {
        let Allotment { amount, standing } = *self.refund(refund)?;
        match standing {
            Standing::Released | Standing::Reversed => Ok(vec![]),
            Standing::Settled => Err(No::RefundSettled),
            Standing::Allotted => Ok(vec![E::RefundReleased { order: terms.order, refund, amount }]),
        }
    }

    /// Also of a refund that was taken for failed: its money has left all the same.
    pub(super) fn settle(&self, terms: &Terms, refund: RefundId) -> Decision {
        let Allotment { amount, standing } = *self.refund(refund)?;
        let settled = E::RefundSettled { order: terms.order, refund, amount };
        match standing {
            Standing::Settled => Ok(vec![]),
            Standing::Allotted => Ok(vec![settled]),
            Standing::Released | Standing::Reversed if self.can_refund(amount) => Ok(vec![settled]),
            Standing::Released | Standing::Reversed => {
                self.late(terms, Fact::Refunded, refund.to_string(), None, None, Some(amount))
            }
        }
    }

    pub(super) fn reverse(&self, terms: &Terms, refund: RefundId) -> Decision {
        let Allotment { amount, standing } = *self.refund(refund)?;
        match standing {
            Standing::Reversed => Ok(vec![]),
            Standing::Settled => Ok(vec![E::RefundReversed { order: terms.order, refund, amount }]),
            Standing::Allotted | Standing::Released => Err(No::RefundNotSettled),
        }
    }

    fn refund(&self, refund: RefundId) -> Result<&Allotment, No> {
        self.refunds.get(&refund).ok_or(No::NoSuchRefund)
    }

    fn can_refund(&self, amount: Money) -> bool {
        self.refunding() + i128::from(amount.amount) <= self.captured()
    }

    fn refundable(&self, terms: &Terms) -> Money {
        Money::new(i64::try_from(self.captured() - self.refunding()).unwrap_or(0), terms.amount.currency)
    }

    /// What the provider is to refund: the captured charge, or the capture itself where no charge is known.
    fn charge(&self) -> Option<String> {
        let captured = self.captures.values().find(|capture| capture.psp_ref.is_some());
        captured
            .and_then(|capture| self.attempts.get(&capture.attempt))
            .or_else(|| self.last().map(|(_, attempt)| attempt))
            .and_then(|attempt| attempt.charge.clone())
            .or_else(|| self.late_captures.keys().next().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::*;
    use super::super::{Payment, PaymentCommand as C};
    use super::*;
    use crate::kernel::given;
    use crate::money::Currency;

    fn allot(refund: RefundId, amount: i64) -> C {
        C::AllotRefund { refund, amount: usd(amount) }
    }

    #[test]
    fn refunds_no_more_than_was_captured() {
        let paid = given::<Payment>(captured_payment());
        assert_eq!(paid.when(allot(R1, 1001)), Err(No::ExceedsRefundable(usd(1000))));
        assert_eq!(paid.when(allot(R1, 600)), Ok(vec![allotted(R1, 600)]));
        let paid = paid.and(allot(R1, 600));
        assert_eq!(paid.when(allot(R2, 401)), Err(No::ExceedsRefundable(usd(400))));
        let paid = paid.and(C::SettleRefund { refund: R1 });
        assert_eq!(paid.when(allot(R2, 401)), Err(No::ExceedsRefundable(usd(400))));
        assert_eq!(paid.when(allot(R2, 400)), Ok(vec![allotted(R2, 400)]));
    }

    #[test]
    fn sets_money_aside_once_for_each_refund() {
        let paid = given::<Payment>(captured_payment()).and(allot(R1, 600));
        assert_eq!(paid.when(allot(R1, 600)), Ok(vec![]));
        assert_eq!(paid.when(allot(R1, 500)), Err(No::RefundReused));
        let released = paid.and(C::ReleaseRefund { refund: R1 });
        assert_eq!(released.when(allot(R1, 600)), Err(No::RefundReleased));
        assert_eq!(released.when(allot(R2, 1000)), Ok(vec![allotted(R2, 1000)]));
    }

    #[test]
    fn refunds_only_captured_money_of_its_own() {
        assert_eq!(given::<Payment>(authorised_payment()).when(allot(R1, 1)), Err(No::NotCaptured));
        let paid = given::<Payment>(captured_payment());
        assert_eq!(paid.when(allot(R1, 0)), Err(No::InvalidAmount));
        let euros = C::AllotRefund { refund: R1, amount: Money::new(1, Currency::EUR) };
        assert_eq!(paid.when(euros), Err(No::CurrencyMismatch(Currency::USD)));
    }

    #[test]
    fn what_was_taken_elsewhere_is_set_aside_to_be_given_back_there() {
        let paid = given::<Payment>([recorded()]);
        let event = E::RefundSetAside { order: ORDER, refund: R1, amount: usd(600) };
        assert_eq!(paid.when(allot(R1, 600)), Ok(vec![event]));
        let aside = || given::<Payment>([recorded()]).and(allot(R1, 600));
        assert_eq!(aside().when(allot(R2, 401)), Err(No::ExceedsRefundable(usd(400))));
        assert!(aside().and(C::SettleRefund { refund: R1 }).when(allot(R2, 401)).is_err());
        assert!(aside().and(C::ReleaseRefund { refund: R1 }).when(allot(R2, 1000)).is_ok());
    }

    #[test]
    fn releases_settles_and_reverses_once() {
        let (release, settle, reverse) = (
            C::ReleaseRefund { refund: R1 },
            C::SettleRefund { refund: R1 },
            C::ReverseRefund { refund: R1 },
        );
        let paid = given::<Payment>(captured_payment());
        for command in [&release, &settle, &reverse] {
            assert_eq!(paid.when(command.clone()), Err(No::NoSuchRefund));
        }
        let held = paid.and(allot(R1, 600));
        assert_eq!(held.when(reverse.clone()), Err(No::RefundNotSettled));
        assert_eq!(held.when(release.clone()), Ok(vec![released(R1, 600)]));
        let freed = held.clone_with(release.clone());
        assert_eq!(freed.when(release.clone()), Ok(vec![]));
        assert_eq!(freed.when(reverse.clone()), Err(No::RefundNotSettled));
        assert_eq!(held.when(settle.clone()), Ok(vec![settled(R1, 600)]));
        let gone = held.and(settle.clone());
        assert_eq!(gone.when(settle), Ok(vec![]));
        assert_eq!(gone.when(release.clone()), Err(No::RefundSettled));
        assert_eq!(gone.when(reverse.clone()), Ok(vec![reversed(R1, 600)]));
        let back = gone.and(reverse.clone());
        assert_eq!(back.when(reverse), Ok(vec![]));
        assert_eq!(back.when(release), Ok(vec![]));
        assert_eq!(back.when(allot(R2, 1000)), Ok(vec![allotted(R2, 1000)]));
    }

    #[test]
    fn takes_in_a_payout_that_was_taken_for_failed_while_there_is_money() {
        let settle = C::SettleRefund { refund: R1 };
        let freed =
            given::<Payment>(captured_payment()).and(allot(R1, 600)).and(C::ReleaseRefund { refund: R1 });
        assert_eq!(freed.when(settle.clone()), Ok(vec![settled(R1, 600)]));
        let spent = freed.and(allot(R2, 1000));
        let late = spent.when(settle.clone()).unwrap();
        assert!(matches!(&late[..], [E::LateObservation { fact: Fact::Refunded, .. }]));
        assert_eq!(spent.and(settle.clone()).when(settle), Ok(vec![]));
    }
}
