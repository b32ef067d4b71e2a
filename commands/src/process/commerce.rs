//! Commerce: what follows from orders, checkouts and stock.

mod do_what_checkout_asks;
mod expire_when_time_is_up;
mod move_stock_when_goods_move;
mod number_order_when_it_is_placed;
mod refund_when_money_is_owed;
mod reopen_cart_when_order_comes_to_nothing;
mod start_checkout_when_order_is_placed;
mod stop_waiting_when_checkout_closes;
mod tell_checkout_what_happened;

use crate::process::Process;

pub(super) fn processes() -> Vec<Box<dyn Process>> {
    vec![
        Box::new(do_what_checkout_asks::DoWhatCheckoutAsks),
        Box::new(expire_when_time_is_up::ExpireWhenTimeIsUp),
        Box::new(move_stock_when_goods_move::MoveStockWhenGoodsMove),
        Box::new(number_order_when_it_is_placed::NumberOrderWhenItIsPlaced),
        Box::new(refund_when_money_is_owed::RefundWhenMoneyIsOwed),
        Box::new(reopen_cart_when_order_comes_to_nothing::ReopenCartWhenOrderComesToNothing),
        Box::new(start_checkout_when_order_is_placed::StartCheckoutWhenOrderIsPlaced),
        Box::new(stop_waiting_when_checkout_closes::StopWaitingWhenCheckoutCloses),
        Box::new(tell_checkout_what_happened::TellCheckoutWhatHappened),
    ]
}
