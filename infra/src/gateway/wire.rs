//! Wire: the bodies that go to the gateway and come from it, in requests; a webhook's is the port's `Notice`.

use commands::port::payment::{Charge, ChargeMetadata, ChargeStatus};
use domain::ids::{CaptureId, RefundId};
use domain::money::Money;
use serde::{Deserialize, Serialize};

/// `POST /v1/charges`; answered with the [`Charge`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCharge {
    pub amount: Money,
    pub method: String,
    pub metadata: ChargeMetadata,
}

/// `POST /v1/charges/{id}/capture`; answered with the `Captured`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCapture {
    pub capture: CaptureId,
    pub amount: Money,
}

/// `POST /v1/charges/{id}/void`; answered with the [`Charge`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewVoid {}

/// `POST /v1/charges/{id}/refunds`; answered with the `Refunded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    pub refund: RefundId,
    pub amount: Money,
}

/// Any answer that is no success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
}

/// `GET /v1/book`: every charge with its sums, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BookView {
    pub charges: Vec<BookLine>,
}

/// One charge and its sums, all in the currency of the charge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BookLine {
    pub charge: Charge,
    pub authorised: i64,
    pub captured: i64,
    pub refunded: i64,
    pub voided: i64,
}

impl From<Charge> for BookLine {
    fn from(charge: Charge) -> Self {
        let holds = matches!(charge.status, ChargeStatus::Authorised | ChargeStatus::Voided);
        let held = if holds { charge.amount.amount } else { 0 };
        Self {
            authorised: held,
            captured: captured(&charge),
            refunded: refunded(&charge),
            voided: if charge.status == ChargeStatus::Voided { held } else { 0 },
            charge,
        }
    }
}

/// Never more than the charge, so the sum always fits.
pub(super) fn captured(charge: &Charge) -> i64 {
    charge.captures.iter().map(|captured| captured.amount.amount).sum()
}

/// Never more than was captured, so the sum always fits.
pub(super) fn refunded(charge: &Charge) -> i64 {
    charge.refunds.iter().map(|refunded| refunded.amount.amount).sum()
}
