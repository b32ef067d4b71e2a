//! Refunds, as the seller's books and support see them.

use chrono::{DateTime, Utc};
use domain::finance::refund::{Reason, Refund, RefundEvent, RefundLine, RefundStatus};
use domain::ids::{OrderId, PaymentId, RefundId};
use domain::kernel::Recorded;
use domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order, word};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.refund`, and the answer to `GET /api/financial/refunds/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<RefundId>,
    /// Since when it holds: earlier than it was recorded if it happened before that.
    pub effective_at: DateTime<Utc>,
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub status: RefundStatus,
    pub amount: Money,
    pub reason: Reason,
    /// What it is for, where it is for some lines.
    pub lines: Vec<RefundLine>,
    pub psp_ref: Option<String>,
    /// Why it failed, in the provider's words.
    pub code: Option<String>,
}

/// Read model `refund`.
pub struct Refunds;

impl StreamView for Refunds {
    const NAME: &'static str = "refund";
    type Of = Refund;
    type Row = RefundView;

    fn stem(row: &mut RefundView) -> &mut Stem<RefundId> {
        &mut row.stem
    }

    fn begun(stem: Stem<RefundId>, happened: &RefundEvent, first: &Recorded) -> Option<RefundView> {
        let RefundEvent::Requested { payment, order, amount, reason, lines } = happened else { return None };
        Some(RefundView {
            stem,
            effective_at: first.effective_at,
            payment_id: *payment,
            order_id: *order,
            status: RefundStatus::Requested,
            amount: *amount,
            reason: *reason,
            lines: lines.clone(),
            psp_ref: None,
            code: None,
        })
    }

    fn apply(row: &mut RefundView, happened: &RefundEvent, _: &Recorded) -> Result<(), Unfoldable> {
        row.take_in(happened);
        Ok(())
    }
}

impl RefundView {
    fn take_in(&mut self, happened: &RefundEvent) {
        use RefundEvent as E;
        self.status = match happened {
            E::Requested { .. } => RefundStatus::Requested,
            E::Approved { .. } => RefundStatus::Approved,
            E::Sent { .. } | E::Resent { .. } => RefundStatus::Sent,
            E::Succeeded { psp_ref, .. } => {
                self.psp_ref = Some(psp_ref.clone());
                RefundStatus::Succeeded
            }
            E::Failed { code, .. } => {
                self.code = Some(code.clone());
                RefundStatus::Failed
            }
            E::HeldForReview { code, .. } => {
                self.code = Some(code.clone());
                RefundStatus::ManualReview
            }
            E::OutcomeUnknown { .. } => RefundStatus::Unknown,
            E::Reversed { .. } => RefundStatus::Reversed,
            E::Cancelled { .. } => RefundStatus::Cancelled,
            E::LateObservation { .. } => self.status,
        };
    }
}

/// Which refunds a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RefundFilter {
    #[param(inline, nullable = false)]
    pub status: Option<RefundStatus>,
    #[param(inline, nullable = false)]
    pub order_id: Option<OrderId>,
    #[param(inline, nullable = false)]
    pub payment_id: Option<PaymentId>,
    /// Only those that wait for a person, or only all others: what the provider or the payment refused, or whose money
    /// came back.
    #[param(required = false, nullable = false)]
    pub needs_attention: Option<bool>,
    /// Only those made at this time or later.
    #[param(nullable = false)]
    pub from: Option<DateTime<Utc>>,
    /// Only those made before this time.
    #[param(nullable = false)]
    pub to: Option<DateTime<Utc>>,
}

/// What waits for a person. (That the payment did not allot its money made a refund fail, before refunds waited.)
const NEEDS_ATTENTION: &str = "(t.status in ('manual_review', 'reversed') \
    or t.status = 'failed' and starts_with(coalesce(t.code, ''), 'payment/')) = ";

impl Filter for RefundFilter {
    type Of = Refunds;

    fn order(&self) -> Order {
        Order::by("effective_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Refunds>) -> Listing<Refunds> {
        list.only("t.status = ", self.status.map(word), "")
            .only("t.order_id = ", self.order_id.map(String::from), "")
            .only("t.payment_id = ", self.payment_id.map(String::from), "")
            .only("t.effective_at >= ", self.from, "")
            .only("t.effective_at < ", self.to, "")
            .only(NEEDS_ATTENTION, self.needs_attention, "")
    }
}
