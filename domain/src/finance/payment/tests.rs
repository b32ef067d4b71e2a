//! Payments as a whole: how they open, what they look like on disk, what holds whatever comes (I9).

use proptest::prelude::*;

use super::example::*;
use super::*;
use crate::kernel::{Kind, Refusal, given};

#[test]
fn is_opened_once() {
    let nothing = given::<Payment>([]);
    assert_eq!(nothing.when(create()), Ok(vec![created()]));
    let open = given::<Payment>([created()]);
    assert_eq!(open.when(create()), Ok(vec![]));
    assert_eq!(
        open.when(PaymentCommand::Record { order: ORDER, amount: usd(1000), at: at(0), reference: None }),
        Err(PaymentRefusal::AlreadyCreated)
    );
    assert_eq!(nothing.when(start(A1)), Err(PaymentRefusal::Unknown));
    assert_eq!(PaymentRefusal::Unknown.kind(), Kind::Missing);
    assert_eq!(PaymentRefusal::AlreadyCreated.kind(), Kind::Conflict);
    // A retry with another method is no other payment.
    let retried = given::<Payment>([created(), started(A1, 1), declined(A1, DeclineClass::Hard)])
        .and(PaymentCommand::StartAttempt { attempt: A2, method: Some("tok_other".into()), at: at(0) });
    assert_eq!(retried.when(create()), Ok(vec![]));
}

#[test]
fn makes_sense_or_is_not_opened() {
    let of = |amount, method: &str| PaymentCommand::Create {
        order: ORDER,
        amount: usd(amount),
        capture: CaptureMode::Auto,
        method: method.into(),
        expires_at: at(EXPIRY),
    };
    for amount in [0, -1, i64::MIN] {
        assert_eq!(given::<Payment>([]).when(of(amount, "ok")), Err(PaymentRefusal::InvalidAmount));
    }
    for method in ["", "a b", "é", "a\0", &"x".repeat(65)] {
        assert_eq!(given::<Payment>([]).when(of(1, method)), Err(PaymentRefusal::InvalidMethod));
    }
    assert_eq!(PaymentRefusal::InvalidMethod.kind(), Kind::Invalid);
}

#[test]
fn is_written_down_as_paid_where_it_was_taken_elsewhere() {
    let record =
        |amount| PaymentCommand::Record { order: ORDER, amount: usd(amount), at: at(0), reference: None };
    assert_eq!(given::<Payment>([]).when(record(1000)), Ok(vec![recorded()]));
    assert_eq!(given::<Payment>([]).when(record(0)), Err(PaymentRefusal::InvalidAmount));
    let paid = given::<Payment>([recorded()]);
    assert_eq!(paid.when(record(1000)), Ok(vec![]));
    assert_eq!(paid.when(record(999)), Err(PaymentRefusal::AlreadyCreated));
    assert_eq!(paid.when(create()), Err(PaymentRefusal::AlreadyCreated));
    assert_eq!(paid.0.status(), Some(PaymentStatus::Succeeded));
}

#[test]
fn is_on_disk_as_it_always_was() {
    const O: &str = r#""order":"ord_00000000000000000000000001""#;
    const A: &str = r#""attempt":"att_00000000000000000000000051""#;
    const K: &str = r#""capture":"cap_00000000000000000000000061""#;
    const R: &str = r#""refund":"rfnd_0000000000000000000000007h""#;
    const M: &str = r#""amount":{"amount":1000,"currency":"USD"}"#;
    let conflicted = |capture| PaymentEvent::Conflicted {
        order: ORDER,
        attempt: A1,
        capture,
        psp_ref: CHARGE.into(),
        expected: usd(1),
        amount: usd(1000),
    };
    let late = |attempt, capture, amount| PaymentEvent::LateObservation {
        order: ORDER,
        fact: Fact::Captured,
        attempt,
        capture,
        reference: "cp_1".into(),
        amount,
    };
    let all = [
        (
            created(),
            format!(
                r#"{{"type":"Created","subject":"order",{O},{M},"capture":"auto","method":"ok","expires_at":"2023-11-14T22:43:20Z"}}"#
            ),
        ),
        (recorded(), format!(r#"{{"type":"Recorded",{O},{M},"at":"2023-11-14T22:13:20Z"}}"#)),
        (started(A1, 1), format!(r#"{{"type":"AttemptStarted",{O},{A},"number":1,{M},"method":"ok"}}"#)),
        (
            authorised(A1),
            format!(
                r#"{{"type":"Authorised",{O},{A},"psp_ref":"ch_1",{M},"valid_until":"2023-11-21T22:13:20Z","capture":"auto"}}"#
            ),
        ),
        (
            declined(A1, DeclineClass::Soft),
            format!(
                r#"{{"type":"Declined",{O},{A},{M},"code":"insufficient_funds","class":"soft","advice":"retry_later"}}"#
            ),
        ),
        (
            unknown(A1, Operation::Authorise),
            format!(r#"{{"type":"OutcomeUnknown",{O},{A},"operation":"authorise",{M},"method":"ok"}}"#),
        ),
        (
            unknown(A1, Operation::Capture { capture: K1 }),
            format!(
                r#"{{"type":"OutcomeUnknown",{O},{A},"operation":"capture",{K},{M},"charge":"ch_1","method":"ok"}}"#
            ),
        ),
        (
            unknown(A1, Operation::Void),
            format!(
                r#"{{"type":"OutcomeUnknown",{O},{A},"operation":"void",{M},"charge":"ch_1","method":"ok"}}"#
            ),
        ),
        (
            capture_requested(K1, 1000),
            format!(r#"{{"type":"CaptureRequested",{O},{A},"charge":"ch_1",{K},{M}}}"#),
        ),
        (
            captured(K1, 1000, "cp_1"),
            format!(
                r#"{{"type":"Captured",{O},{A},{K},{M},"fee":{{"amount":30,"currency":"USD"}},"psp_ref":"cp_1"}}"#
            ),
        ),
        (
            capture_failed(K1, 1000),
            format!(r#"{{"type":"CaptureFailed",{O},{A},{K},{M},"code":"processor_down"}}"#),
        ),
        (void_requested(), format!(r#"{{"type":"VoidRequested",{O},{A},"charge":"ch_1",{M}}}"#)),
        (voided(), format!(r#"{{"type":"Voided",{O},{A},"psp_ref":"ch_1",{M}}}"#)),
        (void_failed(), format!(r#"{{"type":"VoidFailed",{O},{A},"psp_ref":"ch_1","code":"too_late"}}"#)),
        (cancelled(), format!(r#"{{"type":"Cancelled",{O},{M}}}"#)),
        (expired(0), format!(r#"{{"type":"Expired",{O},{M},"at":"2023-11-14T22:13:20Z"}}"#)),
        (
            conflicted(None),
            format!(
                r#"{{"type":"Conflicted",{O},{A},"psp_ref":"ch_1","expected":{{"amount":1,"currency":"USD"}},{M}}}"#
            ),
        ),
        (
            conflicted(Some(K1)),
            format!(
                r#"{{"type":"Conflicted",{O},{A},{K},"psp_ref":"ch_1","expected":{{"amount":1,"currency":"USD"}},{M}}}"#
            ),
        ),
        (
            late(None, None, None),
            format!(r#"{{"type":"LateObservation",{O},"fact":"captured","reference":"cp_1"}}"#),
        ),
        (
            late(Some(A1), Some(K1), Some(usd(1000))),
            format!(r#"{{"type":"LateObservation",{O},"fact":"captured",{A},{K},"reference":"cp_1",{M}}}"#),
        ),
        (
            PaymentEvent::RefundSetAside { order: ORDER, refund: R1, amount: usd(1000) },
            format!(r#"{{"type":"RefundSetAside",{O},{R},{M}}}"#),
        ),
        (allotted(R1, 1000), format!(r#"{{"type":"RefundAllotted",{O},{R},{M},"charge":"ch_1"}}"#)),
        (released(R1, 1000), format!(r#"{{"type":"RefundReleased",{O},{R},{M}}}"#)),
        (settled(R1, 1000), format!(r#"{{"type":"RefundSettled",{O},{R},{M}}}"#)),
        (reversed(R1, 1000), format!(r#"{{"type":"RefundReversed",{O},{R},{M}}}"#)),
    ];
    for (event, json) in all {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<PaymentEvent>(&json).unwrap(), event);
        assert!(json.starts_with(&format!(r#"{{"type":"{}""#, event.as_ref())));
    }
}

#[test]
fn can_be_kept_as_json_itself() {
    let payment = given::<Payment>(captured_payment()).and(record_captured(K2, 1, "cp_2")).0;
    let json = serde_json::to_string(&payment).unwrap();
    assert_eq!(serde_json::to_string(&serde_json::from_str::<Payment>(&json).unwrap()).unwrap(), json);
}

/// Any command at all, from few enough ids and amounts that they meet.
fn anything() -> impl Strategy<Value = PaymentCommand> {
    use PaymentCommand as C;
    let attempts = || prop_oneof![Just(A1), Just(A2)];
    let captures = || prop_oneof![Just(K1), Just(K2)];
    let refunds = || prop_oneof![Just(R1), Just(R2)];
    let amounts = || prop_oneof![Just(usd(1000)), Just(usd(600)), Just(usd(400)), Just(usd(i64::MAX))];
    let refs = || prop_oneof![Just("ch_1".to_owned()), Just("ch_2".to_owned()), Just("cp_1".to_owned())];
    let times = || prop_oneof![4 => Just(at(0)), 1 => Just(at(EXPIRY)), 1 => Just(at(VALID))];
    let classes = prop_oneof![Just(DeclineClass::Soft), Just(DeclineClass::Hard), Just(DeclineClass::Fraud)];
    prop_oneof![
        6 => (attempts(), times()).prop_map(|(attempt, at)| C::StartAttempt { attempt, method: None, at }),
        6 => (attempts(), refs(), amounts()).prop_map(|(attempt, psp_ref, amount)| C::RecordAuthorised {
            attempt, psp_ref, amount, valid_until: at(VALID),
        }),
        1 => (attempts(), classes).prop_map(|(attempt, class)| C::RecordDeclined {
            attempt, code: "x".into(), class, advice: Advice::RetryLater,
        }),
        2 => (attempts(), prop_oneof![
            Just(Operation::Authorise),
            Just(Operation::Void),
            captures().prop_map(|capture| Operation::Capture { capture }),
        ]).prop_map(|(attempt, operation)| C::RecordUnknown { attempt, operation }),
        6 => (captures(), amounts(), times())
            .prop_map(|(capture, amount, at)| C::Capture { capture, amount, at }),
        6 => (captures(), amounts(), refs()).prop_map(|(capture, amount, psp_ref)| C::RecordCaptured {
            capture, amount, fee: usd(0), psp_ref,
        }),
        2 => captures().prop_map(|capture| C::RecordCaptureFailed { capture, code: "x".into() }),
        1 => Just(C::Void),
        1 => Just(C::Cancel),
        1 => refs().prop_map(|psp_ref| C::RecordVoided { psp_ref }),
        1 => refs().prop_map(|psp_ref| C::RecordVoidFailed { psp_ref, code: "x".into() }),
        1 => times().prop_map(|at| C::Expire { at }),
        6 => (refunds(), amounts()).prop_map(|(refund, amount)| C::AllotRefund { refund, amount }),
        2 => refunds().prop_map(|refund| C::ReleaseRefund { refund }),
        4 => refunds().prop_map(|refund| C::SettleRefund { refund }),
        1 => refunds().prop_map(|refund| C::ReverseRefund { refund }),
    ]
}

/// The books of a payment, kept from its events alone.
#[derive(Default)]
struct Books {
    authorised: i128,
    captured: i128,
    late: i128,
    refunded: i128,
    live: i32,
}

impl Books {
    fn enter(&mut self, event: &PaymentEvent) {
        use PaymentEvent as E;
        match event {
            E::AttemptStarted { .. } => self.live += 1,
            E::Declined { .. } | E::Voided { .. } => self.live -= 1,
            E::Authorised { amount, .. } => self.authorised = i128::from(amount.amount),
            E::Captured { amount, .. } => self.captured += i128::from(amount.amount),
            E::LateObservation { fact: Fact::Captured, amount: Some(amount), .. } => {
                self.late += i128::from(amount.amount);
            }
            E::RefundSettled { amount, .. } => self.refunded += i128::from(amount.amount),
            E::RefundReversed { amount, .. } => self.refunded -= i128::from(amount.amount),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_refunds_more_than_it_captured_nor_captures_more_than_was_authorised(
        commands in prop::collection::vec(anything(), 1..60)
    ) {
        let mut payment = Payment::default();
        let mut books = Books::default();
        payment.evolve(created());
        for command in commands {
            let closed = payment.status().filter(|status| {
                matches!(status, PaymentStatus::Failed | PaymentStatus::Cancelled | PaymentStatus::Expired)
            });
            let Ok(events) = payment.decide(command.clone()) else { continue };
            for event in events {
                books.enter(&event);
                payment.evolve(event);
            }
            prop_assert_eq!(payment.decide(command.clone()), Ok(vec![]), "{:?} takes effect twice", command);
            prop_assert!(closed.is_none() || payment.status() == closed);
            prop_assert!(books.captured <= books.authorised);
            prop_assert!(0 <= books.refunded && books.refunded <= books.captured + books.late);
            prop_assert!((0..=1).contains(&books.live));
        }
    }
}
