//! Manual payment: bank transfers under a reference, which a person marks as received.
//!
//! There is nobody to ask: what has come stands in the payment itself. So it can be taken at once and without a fee, and
//! what is to be given back is given back by hand.

use async_trait::async_trait;
use commands::port::payment::{
    Authorisation, Authorise, Capture, Captured, Charge, GatewayError, PaymentGateway, RECEIVED, Refund,
    Refunded, Void, Which,
};
use domain::finance::payment::NextStep;
use domain::ids::AttemptId;
use domain::money::Money;

/// What a transfer that is waited for is called.
const AWAITED: &str = "awaited:";
/// The method that stands for it.
pub const BANK_TRANSFER: &str = "bank_transfer";

/// Bank transfers.
#[derive(Debug, Clone, Copy, Default)]
pub struct ManualTransfers;

impl ManualTransfers {
    /// Whether something of this reference is a transfer.
    #[must_use]
    pub fn knows(reference: &str) -> bool {
        reference.starts_with(AWAITED) || reference.starts_with(RECEIVED)
    }
}

/// What the buyer writes on the transfer: ISO 11649, so that banks and people find slips of the pen.
#[must_use]
pub fn reference_of(attempt: AttemptId) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
    let mut rest = attempt.uuid().as_u128();
    let mut body = Vec::with_capacity(21);
    for _ in 0..21 {
        body.push(LETTERS[usize::try_from(rest % 32).unwrap_or_default()]);
        rest /= 32;
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    let check = 98 - remainder(&format!("{body}RF00"));
    format!("RF{check:02}{body}")
}

/// Modulo 97 of the digits that letters and digits stand for.
fn remainder(text: &str) -> u32 {
    text.chars()
        .filter_map(|letter| letter.to_digit(36))
        .fold(0, |rest, value| if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
}

type Answer<T> = Result<T, GatewayError>;

fn by_hand<T>() -> Answer<T> {
    Err(GatewayError::Rejected("to_be_paid_back_by_hand".into()))
}

#[async_trait]
impl PaymentGateway for ManualTransfers {
    async fn authorise(&self, ask: &Authorise) -> Answer<Authorisation> {
        let next = NextStep::Transfer { reference: reference_of(ask.attempt) };
        Ok(Authorisation::Awaiting { psp_ref: format!("{AWAITED}{}", ask.attempt), next })
    }

    async fn capture(&self, ask: &Capture) -> Answer<Captured> {
        if !ask.charge.starts_with(RECEIVED) {
            return Err(GatewayError::Rejected("not_received".into()));
        }
        let psp_ref = format!("{}/{}", ask.charge, ask.capture);
        let fee = Money::zero(ask.amount.currency);
        Ok(Captured { capture: ask.capture, psp_ref, amount: ask.amount, fee })
    }

    async fn void(&self, ask: &Void) -> Answer<()> {
        if ask.charge.starts_with(AWAITED) { Ok(()) } else { by_hand() }
    }

    async fn refund(&self, _: &Refund) -> Answer<Refunded> {
        by_hand()
    }

    async fn find(&self, _: &Which) -> Answer<Option<Charge>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::ids::{CaptureId, OrderId, PaymentId, RefundId, WorkspaceId};
    use domain::money::Currency;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_reference_can_be_checked_by_any_bank_and_is_its_attempts_own() {
        // The example of ISO 11649.
        assert_eq!(remainder("539007547034RF18"), 1);
        let of = |number| reference_of(AttemptId::from_uuid(Uuid::from_u128(number)));
        for number in [0, 1, u128::MAX >> 23, 0x0198_7654_3210_7000_8000_0000_0000_0000] {
            let reference = of(number);
            assert_eq!(reference.len(), 25, "{reference}");
            let turned = format!("{}{}", &reference[4..], &reference[..4]);
            assert_eq!(remainder(&turned), 1, "{reference}");
        }
        assert_ne!(of(1), of(2));
    }

    #[tokio::test]
    async fn waits_takes_and_leaves_giving_back_to_people() {
        let attempt = AttemptId::from_uuid(Uuid::from_u128(7));
        let amount = Money::new(5, Currency::EUR);
        let ask = Authorise {
            workspace: WorkspaceId::from_uuid(Uuid::nil()),
            order: OrderId::from_uuid(Uuid::nil()),
            payment: PaymentId::from_uuid(Uuid::nil()),
            attempt,
            amount,
            method: BANK_TRANSFER.into(),
            asked_at: DateTime::UNIX_EPOCH,
        };
        let Ok(Authorisation::Awaiting { psp_ref, .. }) = ManualTransfers.authorise(&ask).await else {
            panic!("it waits")
        };
        assert!(ManualTransfers::knows(&psp_ref) && !ManualTransfers::knows("pi_1"));
        let capture = CaptureId::from_uuid(Uuid::from_u128(8));
        let take = |charge: &str| Capture { charge: charge.into(), capture, amount };
        assert!(ManualTransfers.capture(&take(&psp_ref)).await.is_err(), "nothing has come");
        let taken = ManualTransfers.capture(&take("transfer:77")).await.unwrap();
        assert_eq!((taken.amount, taken.fee.amount), (amount, 0));
        assert_eq!(ManualTransfers.void(&Void { charge: psp_ref }).await, Ok(()));
        assert_eq!(ManualTransfers.void(&Void { charge: "transfer:77".into() }).await, by_hand());
        let refund = RefundId::from_uuid(Uuid::nil());
        let back = Refund { charge: "transfer:77".into(), refund, attempt: 1, amount };
        assert_eq!(ManualTransfers.refund(&back).await, by_hand());
    }
}
