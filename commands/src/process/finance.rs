//! Finance: what follows from refunds.

mod pay_refund_out;

use crate::process::Process;

pub(super) fn processes() -> Vec<Box<dyn Process>> {
    vec![Box::new(pay_refund_out::PayRefundOut)]
}
