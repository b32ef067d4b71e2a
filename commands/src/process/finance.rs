//! Finance: what follows from refunds and from what the ledger holds for a while, and what is posted to the books.

mod pay_refund_out;
mod post_capture_when_money_is_taken;
mod post_refund_when_money_is_given_back;
mod post_revenue_when_goods_are_handed_over;
mod release_ledger_reservation_when_time_is_up;

use crate::follow::{Follower, Following};
use crate::process::Process;

pub(super) fn followers() -> Vec<Box<dyn Follower>> {
    vec![
        Box::new(Following::new(post_refund_when_money_is_given_back::PostRefundWhenMoneyIsGivenBack)),
        Box::new(Following::new(post_revenue_when_goods_are_handed_over::PostRevenueWhenGoodsAreHandedOver)),
    ]
}

pub(super) fn processes() -> Vec<Box<dyn Process>> {
    vec![
        Box::new(pay_refund_out::PayRefundOut),
        Box::new(post_capture_when_money_is_taken::PostCaptureWhenMoneyIsTaken),
        Box::new(release_ledger_reservation_when_time_is_up::ReleaseLedgerReservationWhenTimeIsUp),
    ]
}
