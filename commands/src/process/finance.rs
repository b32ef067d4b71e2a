//! Finance: what follows from refunds and from what the ledger holds for a while.

mod pay_refund_out;
mod release_ledger_reservation_when_time_is_up;

use crate::process::Process;

pub(super) fn processes() -> Vec<Box<dyn Process>> {
    vec![
        Box::new(pay_refund_out::PayRefundOut),
        Box::new(release_ledger_reservation_when_time_is_up::ReleaseLedgerReservationWhenTimeIsUp),
    ]
}
