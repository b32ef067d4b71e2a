//! Finance: what is asked of the payment gateway.

pub(crate) mod ask_gateway_when_payment_asks;
mod ask_gateway_when_refund_is_sent;

use crate::effect::Effect;
use crate::port::Ports;

pub(super) fn effects(ports: &Ports) -> Vec<Box<dyn Effect>> {
    vec![
        Box::new(ask_gateway_when_payment_asks::AskGatewayWhenPaymentAsks { gateway: ports.payment.clone() }),
        Box::new(ask_gateway_when_refund_is_sent::AskGatewayWhenRefundIsSent {
            gateway: ports.payment.clone(),
        }),
    ]
}
