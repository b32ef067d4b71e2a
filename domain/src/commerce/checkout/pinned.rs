//! Pinned: the JSON of every event, as it lies on disk for ever.

use super::examples::*;
use super::*;

/// Writes out what the pins abbreviate.
fn whole(pin: &str) -> String {
    let units = r#""line":LINE,"stock":"TEA-1@main","reservation":RES,"quantity":2"#;
    [
        ("UNITS", units),
        ("ORDER", r#""order":"ord_00000000000000000000000001""#),
        ("PAYMENT", r#""payment":"pay_00000000000000000000000001""#),
        ("REFUND", r#""refund":"rfnd_00000000000000000000000001""#),
        ("CUSTOMER", r#""customer":"cus_00000000000000000000000001""#),
        ("LINE", r#""line_00000000000000000000000001""#),
        ("RES", r#""res_00000000000000000000000001""#),
        ("USD4000", r#"{"amount":4000,"currency":"USD"}"#),
        ("AT100", r#""2023-11-14T22:15:00Z""#),
        ("AT60", r#""2023-11-14T22:14:20Z""#),
    ]
    .iter()
    .fold(pin.to_owned(), |text, (short, long)| text.replace(short, long))
}

#[test]
fn their_json_is_for_ever() {
    use CheckoutEvent as E;
    let (order, payment, refund, amount) = (order(), payment(), refund(), usd(4000));
    let (line, reservation, units) = (line_id(1), reservation_id(1), units(1));
    let customer = beginning().customer;
    let began =
        Beginning { lines: vec![beginning().lines[0].clone(), beginning().lines[2].clone()], ..beginning() };
    let (code, reason) = (|| "no".to_owned(), || "no".to_owned());
    let pins = [
        (
            E::Began(Box::new(began)),
            r#"{"type":"Began",ORDER,CUSTOMER,"lines":[{"line":LINE,"stock":"TEA-1@main","quantity":2,"reservation":RES},{"line":"line_00000000000000000000000003","quantity":2,"reservation":"res_00000000000000000000000003"}],"total":USD4000,PAYMENT,"payment_method":"tok_1",REFUND,"reservation_expires_at":AT60,"expires_at":AT100}"#,
        ),
        (
            E::ReservationRequested { order, units: units.clone(), expires_at: at(60) },
            r#"{"type":"ReservationRequested",ORDER,UNITS,"expires_at":AT60}"#,
        ),
        (
            E::Reserved { order, line, reservation },
            r#"{"type":"Reserved",ORDER,"line":LINE,"reservation":RES}"#,
        ),
        (
            E::ReservationRefused { order, line, reservation, reason: reason() },
            r#"{"type":"ReservationRefused",ORDER,"line":LINE,"reservation":RES,"reason":"no"}"#,
        ),
        (
            E::ReservationLost { order, line, reservation, reason: reason() },
            r#"{"type":"ReservationLost",ORDER,"line":LINE,"reservation":RES,"reason":"no"}"#,
        ),
        (
            E::AuthorisationRequested {
                order,
                customer,
                payment,
                amount,
                method: "tok_1".into(),
                attempt: 1,
                expires_at: at(100),
            },
            r#"{"type":"AuthorisationRequested",ORDER,CUSTOMER,PAYMENT,"amount":USD4000,"method":"tok_1","attempt":1,"expires_at":AT100}"#,
        ),
        (E::Authorised { order, payment, amount }, r#"{"type":"Authorised",ORDER,PAYMENT,"amount":USD4000}"#),
        (
            E::Declined { order, payment, attempt: attempt_id(1), class: DeclineClass::Soft, code: code() },
            r#"{"type":"Declined",ORDER,PAYMENT,"attempt":"att_00000000000000000000000001","class":"soft","code":"no"}"#,
        ),
        (
            E::PaymentRetried { order, method: "tok_2".into() },
            r#"{"type":"PaymentRetried",ORDER,"method":"tok_2"}"#,
        ),
        (E::CommitRequested { order, units: units.clone() }, r#"{"type":"CommitRequested",ORDER,UNITS}"#),
        (
            E::Committed { order, line, reservation },
            r#"{"type":"Committed",ORDER,"line":LINE,"reservation":RES}"#,
        ),
        (
            E::CaptureRequested { order, payment, amount },
            r#"{"type":"CaptureRequested",ORDER,PAYMENT,"amount":USD4000}"#,
        ),
        (E::Captured { order, payment, amount }, r#"{"type":"Captured",ORDER,PAYMENT,"amount":USD4000}"#),
        (
            E::CaptureFailed { order, payment, code: code() },
            r#"{"type":"CaptureFailed",ORDER,PAYMENT,"code":"no"}"#,
        ),
        (
            E::ConfirmRequested {
                order,
                basis: Basis::Captured,
                payment: Some(payment),
                captured: amount,
                reserved: vec![units.clone()],
            },
            r#"{"type":"ConfirmRequested",ORDER,"basis":"captured",PAYMENT,"captured":USD4000,"reserved":[{UNITS}]}"#,
        ),
        (E::ConfirmRefused { order, reason: reason() }, r#"{"type":"ConfirmRefused",ORDER,"reason":"no"}"#),
        (E::Completed { order }, r#"{"type":"Completed",ORDER}"#),
        (
            E::Closing { order, reason: ClosingReason::OutOfStock },
            r#"{"type":"Closing",ORDER,"reason":"out_of_stock"}"#,
        ),
        (
            E::CancelRequested { order, reason: ClosingReason::PaymentFailed },
            r#"{"type":"CancelRequested",ORDER,"reason":"payment_failed"}"#,
        ),
        (E::ExpireRequested { order, at: at(100) }, r#"{"type":"ExpireRequested",ORDER,"at":AT100}"#),
        (
            E::OrderClosed { order, how: OrderClosure::Cancelled },
            r#"{"type":"OrderClosed",ORDER,"how":"cancelled"}"#,
        ),
        (
            E::ReleaseRequested { order, units, committed: true },
            r#"{"type":"ReleaseRequested",ORDER,UNITS,"committed":true}"#,
        ),
        (
            E::Released { order, line, reservation },
            r#"{"type":"Released",ORDER,"line":LINE,"reservation":RES}"#,
        ),
        (
            E::VoidRequested { order, payment, amount },
            r#"{"type":"VoidRequested",ORDER,PAYMENT,"amount":USD4000}"#,
        ),
        (E::Voided { order, payment }, r#"{"type":"Voided",ORDER,PAYMENT}"#),
        (
            E::RefundRequested { order, payment, refund, amount, reason: ClosingReason::OrderClosed },
            r#"{"type":"RefundRequested",ORDER,PAYMENT,REFUND,"amount":USD4000,"reason":"order_closed"}"#,
        ),
        (E::Refunded { order, payment, refund }, r#"{"type":"Refunded",ORDER,PAYMENT,REFUND}"#),
        (
            E::CaseOpened { order, case: Case::NotReleased, line: Some(line), detail: Some("no".into()) },
            r#"{"type":"CaseOpened",ORDER,"case":"not_released","line":LINE,"detail":"no"}"#,
        ),
        (
            E::Closed { order, reason: ClosingReason::NotConfirmed },
            r#"{"type":"Closed",ORDER,"reason":"not_confirmed"}"#,
        ),
    ];
    for (event, pin) in pins {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, whole(pin));
        assert_eq!(serde_json::from_str::<CheckoutEvent>(&json).unwrap(), event);
        assert!(json.starts_with(&format!(r#"{{"type":"{}""#, event.as_ref())), "{json}");
    }
}
