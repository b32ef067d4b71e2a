//! Pinned: the JSON of every event, as it lies on disk for ever.

use super::examples::*;
use super::*;

const CUSTOMER: &str = "cus_00000000000000000000000001";
const LINE: &str = "line_00000000000000000000000001";
const HASH: &str = "5c0a5fa5ca66d6fa0e479b2b59fcd5499df8e40451b50e3d80750a1324d0f025";
const TERMS: &str = r#""lines":[{"line":"LINE","stock":"TEA-1@main","sku":"TEA-1","title":"Tea","quantity":3,"unit_price":USD1000,"total":USD3000,"discount":USD0,"tax":USD0,"amount":USD3000},{"line":"line_00000000000000000000000002","sku":"CUP-1","title":"Thing","quantity":1,"total":USD1000,"discount":USD0,"tax":USD0,"amount":USD1000}],"net":USD4000,"discount":USD0,"tax":USD0,"shipping":USD0,"total":USD4000,"totals_hash":"HASH""#;

/// Writes out what the pins abbreviate: `USD12`, `LINE`, `CUSTOMER`, `HASH`, `RELEASED`, `TERMS`.
fn whole(pin: &str) -> String {
    let released = r#"[{"line":"LINE","stock":"TEA-1@main","reservation":"res_00000000000000000000000001","quantity":2}]"#;
    let text = pin.replace("TERMS", TERMS).replace("RELEASED", released);
    let text = text.replace("LINE", LINE).replace("CUSTOMER", CUSTOMER).replace("HASH", HASH);
    let mut parts = text.split(":USD");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find([',', '}']).unwrap();
        whole += &format!(r#":{{"amount":{},"currency":"USD"}}{}"#, &part[..end], &part[end..]);
    }
    whole
}

fn pinned() -> Vec<(OrderEvent, &'static str)> {
    use OrderEvent as E;
    let line = line_id(1);
    let released = vec![units_of_stock(1, 2)];
    let terms = Box::new(two_lines().terms().unwrap());
    let cancelled = CancelledLine { line, sku: tea().sku, quantity: 2, amount: usd(2000) };
    let fact = CarrierFact {
        kind: CarrierFactKind::HandedOver,
        at: at(0),
        fulfilment: Some(fulfilment_id(1)),
        tracking: Some("T-1".into()),
    };
    let late = |observed| E::LateObservation { observed };
    vec![
        (
            draft_created(),
            r#"{"type":"DraftCreated","customer":"CUSTOMER","currency":"USD","reference":"PO-7"}"#,
        ),
        (
            E::LineAdded(tea()),
            r#"{"type":"LineAdded","line":"LINE","stock":"TEA-1@main","sku":"TEA-1","title":"Tea","quantity":3,"unit_price":USD1000,"total":USD3000}"#,
        ),
        (
            E::QuantitySet { line, quantity: 4, total: usd(4000), tax: Some(usd(1)) },
            r#"{"type":"QuantitySet","line":"LINE","quantity":4,"total":USD4000,"tax":USD1}"#,
        ),
        (E::LineRemoved { line }, r#"{"type":"LineRemoved","line":"LINE"}"#),
        (
            E::DiscountApplied(Discount { code: Some("SPRING".into()), amount: usd(100) }),
            r#"{"type":"DiscountApplied","code":"SPRING","amount":USD100}"#,
        ),
        (
            E::ShippingSet(Shipping { method: Some("parcel".into()), amount: usd(500) }),
            r#"{"type":"ShippingSet","method":"parcel","amount":USD500}"#,
        ),
        (
            E::TaxSet { line: Some(line), amount: usd(20) },
            r#"{"type":"TaxSet","line":"LINE","amount":USD20}"#,
        ),
        (
            placed(),
            r#"{"type":"Placed","customer":"CUSTOMER","reference":"PO-7","settlement":"checkout","payment_method":"ok","expires_at":"2023-11-14T22:15:00Z",TERMS}"#,
        ),
        (E::Numbered { number: "W-7".into() }, r#"{"type":"Numbered","number":"W-7"}"#),
        (
            reserved(),
            r#"{"type":"StockReserved","line":"LINE","stock":"TEA-1@main","reservation":"res_00000000000000000000000001","quantity":3}"#,
        ),
        (
            paid(4000),
            r#"{"type":"PaymentCovered","payment":"pay_00000000000000000000000001","authorised":USD4000,"captured":USD4000,"total_authorised":USD4000,"total_captured":USD4000}"#,
        ),
        (
            refunded(1, 5, 5),
            r#"{"type":"RefundRecorded","refund":"rfnd_00000000000000000000000001","payment":"pay_00000000000000000000000001","amount":USD5,"total_refunded":USD5}"#,
        ),
        (
            E::RefundAsked {
                refund: refund_id(1),
                payment: payment_id(1),
                amount: usd(5),
                giving: Giving::Away,
                lines: vec![RefundedLine { line, amount: usd(5) }],
            },
            r#"{"type":"RefundAsked","refund":"rfnd_00000000000000000000000001","payment":"pay_00000000000000000000000001","amount":USD5,"giving":"away","lines":[{"line":"LINE","amount":USD5}]}"#,
        ),
        (
            E::RefundAsked {
                refund: refund_id(1),
                payment: payment_id(1),
                amount: usd(5),
                giving: Giving::Back,
                lines: vec![],
            },
            r#"{"type":"RefundAsked","refund":"rfnd_00000000000000000000000001","payment":"pay_00000000000000000000000001","amount":USD5,"giving":"back"}"#,
        ),
        (
            E::RefundEnded { refund: refund_id(1), amount: usd(5), owed: usd(3), shares: vec![] },
            r#"{"type":"RefundEnded","refund":"rfnd_00000000000000000000000001","amount":USD5,"owed":USD3}"#,
        ),
        (
            E::RefundReversed { refund: refund_id(1), amount: usd(5), total_refunded: usd(0) },
            r#"{"type":"RefundReversed","refund":"rfnd_00000000000000000000000001","amount":USD5,"total_refunded":USD0}"#,
        ),
        (
            confirmation(Basis::CreditTerms),
            r#"{"type":"Confirmed","basis":"credit_terms","customer":"CUSTOMER","total":USD4000}"#,
        ),
        (
            E::Fulfilled {
                fulfilment: fulfilment_id(1),
                lines: vec![FulfilledLine { line, sku: tea().sku, quantity: 1 }],
                override_unpaid: Some("a friend".into()),
            },
            r#"{"type":"Fulfilled","fulfilment":"ful_00000000000000000000000001","lines":[{"line":"LINE","sku":"TEA-1","quantity":1}],"override_unpaid":"a friend"}"#,
        ),
        (
            E::FulfilmentCancelled { fulfilment: fulfilment_id(1), lines: units(&[(1, 1)]) },
            r#"{"type":"FulfilmentCancelled","fulfilment":"ful_00000000000000000000000001","lines":[{"line":"LINE","quantity":1}]}"#,
        ),
        (
            shipped(1, &[(1, 2)], &[(1, 2)]),
            r#"{"type":"Shipped","fulfilment":"ful_00000000000000000000000001","lines":[{"line":"LINE","sku":"TEA-1","quantity":2}],"stock":RELEASED,"tracking":"T-1"}"#,
        ),
        (
            delivered(1, &[(1, 2)]),
            r#"{"type":"Delivered","fulfilment":"ful_00000000000000000000000001","lines":[{"line":"LINE","sku":"TEA-1","quantity":2}]}"#,
        ),
        (
            E::CarrierFactObserved(fact),
            r#"{"type":"CarrierFactObserved","kind":"handed_over","at":"2023-11-14T22:13:20Z","fulfilment":"ful_00000000000000000000000001","tracking":"T-1"}"#,
        ),
        (
            E::LinesCancelled {
                shares: vec![],
                reason: CancelReason::OutOfStock,
                lines: vec![cancelled.clone()],
                refund: usd(2000),
                released: released.clone(),
            },
            r#"{"type":"LinesCancelled","reason":"out_of_stock","lines":[{"line":"LINE","sku":"TEA-1","quantity":2,"amount":USD2000}],"refund":USD2000,"released":RELEASED}"#,
        ),
        (
            E::Cancelled {
                shares: vec![],
                reason: CancelReason::PaymentFailed,
                lines: vec![cancelled],
                shipping: usd(500),
                refund: usd(2500),
                released: released.clone(),
                cart: None,
            },
            r#"{"type":"Cancelled","reason":"payment_failed","lines":[{"line":"LINE","sku":"TEA-1","quantity":2,"amount":USD2000}],"shipping":USD500,"refund":USD2500,"released":RELEASED}"#,
        ),
        (expired(), r#"{"type":"Expired","refund":USD0,"released":[]}"#),
        (
            E::Expired {
                shares: vec![],
                refund: usd(0),
                released: vec![],
                cart: Some(CartId::from_uuid(uuid::Uuid::from_u128(1))),
            },
            r#"{"type":"Expired","refund":USD0,"released":[],"cart":"cart_00000000000000000000000001"}"#,
        ),
        (E::Completed, r#"{"type":"Completed"}"#),
        (E::EditBegun, r#"{"type":"EditBegun"}"#),
        (
            E::ParcelLost {
                fulfilment: fulfilment_id(1),
                lines: vec![FulfilledLine { line, sku: tea().sku, quantity: 2 }],
            },
            r#"{"type":"ParcelLost","fulfilment":"ful_00000000000000000000000001","lines":[{"line":"LINE","sku":"TEA-1","quantity":2}]}"#,
        ),
        (
            E::ParcelCameBack {
                fulfilment: fulfilment_id(1),
                lines: vec![BackLine { line, sku: tea().sku, stock: Some(stock()), quantity: 2 }],
                condition: Condition::Good,
            },
            r#"{"type":"ParcelCameBack","fulfilment":"ful_00000000000000000000000001","lines":[{"line":"LINE","sku":"TEA-1","stock":"TEA-1@main","quantity":2}],"condition":"good"}"#,
        ),
        (
            E::EditSettlementBegun {
                payment: payment_id(2),
                customer: customer(),
                amount: usd(5),
                payment_method: Some("ok".into()),
                lines: vec![WantedUnits { line, stock: Some(stock()), quantity: 2 }],
                totals_hash: "00".into(),
                expires_at: at(0),
            },
            r#"{"type":"EditSettlementBegun","payment":"pay_00000000000000000000000002","customer":"CUSTOMER","amount":USD5,"payment_method":"ok","lines":[{"line":"LINE","stock":"TEA-1@main","quantity":2}],"totals_hash":"00","expires_at":"2023-11-14T22:13:20Z"}"#,
        ),
        (
            E::EditSettlementEnded { payment: payment_id(2), reason: Unsettled::OutOfStock },
            r#"{"type":"EditSettlementEnded","payment":"pay_00000000000000000000000002","reason":"out_of_stock"}"#,
        ),
        (
            E::PaymentUndone { payment: payment_id(2), refund: refund_id(1), amount: usd(5) },
            r#"{"type":"PaymentUndone","payment":"pay_00000000000000000000000002","refund":"rfnd_00000000000000000000000001","amount":USD5}"#,
        ),
        (
            E::Expired {
                refund: usd(5),
                shares: vec![Share { payment: payment_id(2), amount: usd(5) }],
                released: vec![],
                cart: None,
            },
            r#"{"type":"Expired","refund":USD5,"shares":[{"payment":"pay_00000000000000000000000002","amount":USD5}],"released":[]}"#,
        ),
        (
            E::EditConfirmed {
                delta: usd(-5),
                refund: usd(5),
                shares: vec![],
                released: released.clone(),
                terms,
            },
            r#"{"type":"EditConfirmed","delta":USD-5,"refund":USD5,"released":RELEASED,TERMS}"#,
        ),
        (E::EditAbandoned { released }, r#"{"type":"EditAbandoned","released":RELEASED}"#),
        (
            E::ReturnRequested {
                return_id: return_id(1),
                lines: units(&[(1, 1)]),
                reason: Some("too big".into()),
            },
            r#"{"type":"ReturnRequested","return_id":"ret_00000000000000000000000001","lines":[{"line":"LINE","quantity":1}],"reason":"too big"}"#,
        ),
        (
            E::ReturnReceived {
                shares: vec![],
                shipping: None,
                return_id: return_id(1),
                line,
                sku: tea().sku,
                stock: tea().stock,
                quantity: 1,
                condition: Condition::Damaged,
                amount: usd(1000),
                refund: usd(1000),
            },
            r#"{"type":"ReturnReceived","return_id":"ret_00000000000000000000000001","line":"LINE","sku":"TEA-1","stock":"TEA-1@main","quantity":1,"condition":"damaged","amount":USD1000,"refund":USD1000}"#,
        ),
        (
            E::ReturnDismissed { return_id: return_id(1), lines: units(&[(1, 1)]), reason: None },
            r#"{"type":"ReturnDismissed","return_id":"ret_00000000000000000000000001","lines":[{"line":"LINE","quantity":1}]}"#,
        ),
        (
            late(Observed::Captured {
                payment: payment_id(1),
                amount: usd(1),
                authorised: usd(3),
                captured: usd(2),
            }),
            r#"{"type":"LateObservation","observed":{"kind":"captured","payment":"pay_00000000000000000000000001","amount":USD1,"authorised":USD3,"captured":USD2}}"#,
        ),
        (
            late(Observed::Authorised { payment: payment_id(1), authorised: usd(2) }),
            r#"{"type":"LateObservation","observed":{"kind":"authorised","payment":"pay_00000000000000000000000001","authorised":USD2}}"#,
        ),
        (
            late(Observed::Reserved { line, stock: stock(), reservation: reservation_id(1), quantity: 3 }),
            r#"{"type":"LateObservation","observed":{"kind":"reserved","line":"LINE","stock":"TEA-1@main","reservation":"res_00000000000000000000000001","quantity":3}}"#,
        ),
        (
            late(Observed::Carrier {
                fact: CarrierFactKind::OutForDelivery,
                at: at(0),
                fulfilment: None,
                tracking: None,
            }),
            r#"{"type":"LateObservation","observed":{"kind":"carrier","fact":"out_for_delivery","at":"2023-11-14T22:13:20Z"}}"#,
        ),
    ]
}

#[test]
fn their_json_is_for_ever() {
    for (event, pin) in pinned() {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, whole(pin));
        assert_eq!(serde_json::from_str::<OrderEvent>(&json).unwrap(), event);
        assert!(json.starts_with(&format!(r#"{{"type":"{}""#, event.as_ref())), "{json}");
    }
}
