//! Events of an escrow as they are on disk for ever.

use uuid::Uuid;

use super::tests::{BUYER, SELLER, at, evidence, milestone, sealed, terms_of, usd};
use super::{EscrowEvent as E, *};
use crate::digest::Digest;
use crate::ids::{DisputeId, FundingId, MovementId, PaymentId};

fn all() -> Vec<E> {
    let (milestone, dispute) = (milestone(0), DisputeId::from_uuid(Uuid::from_u128(5)));
    let (funding, terms, by) = (FundingId::from_uuid(Uuid::from_u128(6)), terms_of(&[1000]), Party::Buyer);
    let (fees, terms_hash) = (terms.fees().unwrap(), Digest::of("terms"));
    let source = Source::Payment { payment: PaymentId::from_uuid(Uuid::from_u128(7)) };
    let wallet = Source::Wallet { debit: "debit_1".into() };
    let part = vec![Part { milestone, amount: usd(40) }];
    let (reference, movement) = ("cb_1".to_owned(), Some(MovementId::from_uuid(Uuid::from_u128(8))));
    let released = |release, trigger| E::FundsReleased {
        seller: SELLER,
        milestone,
        release,
        priced: usd(100),
        gross: usd(110),
        fee: usd(10),
        net: usd(100),
        trigger,
        held: usd(990),
    };
    vec![
        E::Drafted { by, terms: terms.clone(), fees: fees.clone(), terms_hash: terms_hash.clone() },
        E::Amended { by: Party::Seller, terms, fees, terms_hash: terms_hash.clone() },
        E::Proposed { by, terms_hash: terms_hash.clone(), agree_by: at(1) },
        E::TermsAgreed { party: by, terms_hash: terms_hash.clone() },
        E::Agreed { terms_hash, total: usd(1000), fund_by: at(1) },
        E::Expired { deadline: Deadline::Fund },
        E::CancelProposed { by },
        E::Funded { funding, source, amount: usd(40), allocation: part.clone() },
        E::Overfunded { funding, source: wallet, amount: usd(2) },
        E::MilestoneFunded { milestone, held: usd(1100) },
        E::FundingReversed {
            funding,
            reference: reference.clone(),
            amount: usd(50),
            from: part.clone(),
            shortfall: usd(10),
        },
        E::FundingRestored {
            funding,
            reference: reference.clone(),
            amount: usd(50),
            to: part,
            shortfall: usd(10),
        },
        E::ReversalLost { funding, reference, amount: usd(50), shortfall: usd(10) },
        E::Started { milestone },
        E::Submitted { milestone, round: 0, evidence: vec![evidence()], at: at(1) },
        E::ReceiptConfirmed { milestone, receipt: Receipt::Buyer { account: BUYER }, inspection_due: at(1) },
        E::ReceiptConfirmed {
            milestone,
            receipt: Receipt::Proof { evidence: evidence() },
            inspection_due: at(1),
        },
        E::ReceiptMissing { milestone },
        E::RevisionRequested { milestone, round: 1, due: at(1), reason: Some(sealed()) },
        E::Approved { milestone },
        released(None, Trigger::Time),
        released(movement, Trigger::Buyer),
        E::RefundRequested { milestone, amount: usd(5), reason: None },
        E::MilestoneRefunded {
            buyer: BUYER,
            milestone,
            refund: movement,
            amount: usd(5),
            reason: RefundGround::SellerConsents,
            to: vec![Repayment { funding, amount: usd(5) }],
            held: usd(1095),
        },
        E::DisputeOpened {
            dispute,
            milestone,
            by,
            amount: usd(1100),
            buyer: BUYER,
            seller: SELLER,
            resolver: None,
            reason: None,
            at: at(1),
            respond_by: at(2),
            evidence_by: at(3),
            resolve_by: at(4),
        },
        E::DisputeSettled {
            dispute,
            milestone,
            to_buyer: usd(600),
            to_seller: usd(500),
            basis: Basis::Resolver,
        },
        E::DisputeClosed { dispute, milestone, inspection_due: Some(at(5)), due: at(6) },
        E::PauseProposed { by, until: at(1) },
        E::Paused { from: at(1), until: at(2) },
        E::ResumeProposed { by },
        E::Resumed { at: at(2), rested_s: 1 },
        E::Closed {
            outcome: Outcome::Mixed,
            released: usd(1),
            fees: usd(2),
            refunded: usd(3),
            reversed: usd(4),
        },
    ]
}

#[test]
fn is_on_disk_as_it_always_was() {
    let pinned: Vec<&str> = include_str!("pinned.jsonl").lines().collect();
    let all = all();
    let written: Vec<String> = all.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    assert_eq!(written, pinned);
    for (event, json) in all.iter().zip(pinned) {
        assert_eq!(serde_json::from_str::<E>(json).unwrap(), *event);
        assert!(json.starts_with(&format!(r#"{{"type":"{}""#, event.as_ref())));
    }
}
