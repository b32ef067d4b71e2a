//! Disputes, rule by rule.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{DisputeCommand as C, DisputeEvent as E, DisputeRefusal as No, DisputeStatus as S, *};
use crate::digest::Digest;
use crate::ids::{EscrowId, MilestoneId};
use crate::kernel::{Given, Kind, Refusal, given};
use crate::money::Currency;

pub(super) const BUYER: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
pub(super) const SELLER: AccountId = AccountId::from_uuid(Uuid::from_u128(2));
pub(super) const RESOLVER: AccountId = AccountId::from_uuid(Uuid::from_u128(3));
const STAFF: AccountId = AccountId::from_uuid(Uuid::from_u128(4));
const ESCROW: EscrowId = EscrowId::from_uuid(Uuid::from_u128(5));

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub(super) fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub(super) fn split(to_buyer: i64, to_seller: i64) -> Split {
    Split { to_buyer: usd(to_buyer), to_seller: usd(to_seller) }
}

/// The buyer wants 80 of 100; answered by 100, evidence by 200, decided by 300.
pub(super) fn opening() -> Opening {
    Opening {
        escrow: ESCROW,
        milestone: MilestoneId::from_uuid(Uuid::from_u128(6)),
        buyer: BUYER,
        seller: SELLER,
        resolver: Some(RESOLVER),
        claimant: Party::Buyer,
        amount: usd(100),
        claim: Claim { ground: Ground::NotAsAgreed, to_buyer: usd(80) },
        reason: None,
        at: at(0),
        respond_by: at(100),
        evidence_by: at(200),
        resolve_by: at(300),
    }
}

pub(super) fn respond(by: AccountId, second: i64) -> C {
    C::Respond { by, statement: None, at: at(second) }
}

pub(super) fn evidence(n: u64) -> Evidence {
    let hash = Digest::of(n.to_string());
    Evidence { hash, size: 4, media_type: "image/png".into(), reference: "med_1".into() }
}

pub(super) fn file(by: AccountId, n: u64, second: i64) -> C {
    C::FileEvidence { by, evidence: evidence(n), at: at(second) }
}

pub(super) fn offer(by: AccountId, to_buyer: i64, second: i64) -> C {
    C::Offer { by, split: split(to_buyer, 100 - to_buyer), at: at(second) }
}

fn accept(by: AccountId, offer: u32) -> C {
    C::Accept { by, offer, at: at(60) }
}

fn escalate(by: AccountId) -> C {
    C::Escalate { by, at: at(70) }
}

fn resolve(by: AccountId, staff: bool, of: Split, second: i64) -> C {
    C::Resolve { by, staff, split: of, reasons_hash: Digest::of("reasons"), at: at(second) }
}

fn tick(second: i64) -> C {
    C::Tick { at: at(second) }
}

fn opened() -> Given<Dispute> {
    given::<Dispute>([E::Opened(opening())])
}

fn negotiating() -> Given<Dispute> {
    opened().and(respond(SELLER, 50))
}

fn under_review() -> Given<Dispute> {
    negotiating().and(escalate(BUYER))
}

fn resolved(of: Split, basis: Basis, by: Option<AccountId>) -> E {
    let reasons_hash = by.map(|_| Digest::of("reasons"));
    E::Resolved { escrow: ESCROW, split: of, basis, by, reasons_hash }
}

#[test]
fn is_opened_once_and_whole() {
    let open = |change: fn(&mut Opening)| {
        let mut opening = opening();
        change(&mut opening);
        given::<Dispute>([]).when(C::Open(opening))
    };
    assert_eq!(open(|_| {}), Ok(vec![E::Opened(opening())]));
    assert_eq!(open(|of| of.seller = BUYER), Err(No::SameParty));
    assert_eq!(open(|of| of.resolver = Some(BUYER)), Err(No::ResolverIsParty));
    assert_eq!(open(|of| of.amount = usd(0)), Err(No::InvalidAmount));
    assert_eq!(open(|of| of.claim.to_buyer = usd(101)), Err(No::ClaimTooLarge));
    assert_eq!(open(|of| of.claim.to_buyer = usd(-1)), Err(No::ClaimTooLarge));
    assert_eq!(open(|of| of.claim.to_buyer.currency = Currency::EUR), Err(No::CurrencyMismatch));
    assert_eq!(open(|of| of.evidence_by = of.respond_by), Err(No::InvalidDeadlines));
    assert_eq!(opened().when(C::Open(opening())), Ok(vec![]));
    let mut other = opening();
    other.amount = usd(99);
    assert_eq!(opened().when(C::Open(other)), Err(No::AlreadyOpened));
    assert_eq!(given::<Dispute>([]).when(tick(1)), Err(No::Unknown));
    assert_eq!(No::Unknown.kind(), Kind::Missing);
    assert_eq!(No::EvidenceClosed.kind(), Kind::Gone);
    assert_eq!(No::SplitNotEqualHeld.kind(), Kind::Invalid);
    assert_eq!(No::Over.kind(), Kind::Conflict);
}

#[test]
fn the_other_side_answers_in_time_or_the_claim_is_granted() {
    assert_eq!(opened().when(respond(BUYER, 50)), Err(No::OwnClaim));
    assert_eq!(opened().when(respond(STAFF, 50)), Err(No::NotParty));
    assert_eq!(opened().when(respond(SELLER, 99)), Ok(vec![E::Responded { statement: None }]));
    assert_eq!(opened().when(respond(SELLER, 100)), Err(No::Over));
    assert_eq!(negotiating().when(respond(SELLER, 51)), Ok(vec![]));
    assert_eq!(opened().when(tick(99)), Ok(vec![]));
    let defaulted = E::Defaulted { escrow: ESCROW, split: split(80, 20) };
    assert_eq!(opened().when(tick(100)), Ok(vec![defaulted.clone()]));
    assert_eq!(opened().when(tick(9999)), Ok(vec![defaulted]));
    let over = opened().and(tick(100));
    assert_eq!((over.0.status(), over.0.split()), (Some(S::Defaulted), Some(split(80, 20))));
    assert_eq!(over.when(tick(101)), Ok(vec![]));
    assert_eq!(over.when(respond(SELLER, 101)), Err(No::Over));
}

#[test]
fn both_show_evidence_until_its_time_is_over() {
    let filed = E::EvidenceFiled { by: Party::Seller, evidence: evidence(1), at: at(60) };
    assert_eq!(negotiating().when(file(SELLER, 1, 60)), Ok(vec![filed]));
    let one = negotiating().and(file(SELLER, 1, 60));
    assert_eq!(one.when(file(SELLER, 1, 61)), Ok(vec![]));
    assert_eq!(one.when(file(SELLER, 2, 200)), Err(No::EvidenceClosed));
    assert_eq!(one.when(file(STAFF, 2, 61)), Err(No::NotParty));
    let mut empty = evidence(3);
    empty.size = 0;
    assert_eq!(
        one.when(C::FileEvidence { by: BUYER, evidence: empty, at: at(61) }),
        Err(No::InvalidEvidence)
    );
    let many = (0..50).fold(negotiating(), |dispute, n| dispute.and(file(BUYER, n, 60)));
    assert_eq!(many.when(file(BUYER, 50, 60)), Err(No::TooMuchEvidence));
    assert!(many.when(file(SELLER, 50, 60)).is_ok());
}

#[test]
fn an_offer_that_is_accepted_ends_it() {
    assert_eq!(negotiating().when(offer(BUYER, 101, 60)), Err(No::SplitNotEqualHeld));
    assert_eq!(negotiating().when(offer(STAFF, 50, 60)), Err(No::NotParty));
    assert_eq!(negotiating().when(offer(BUYER, 50, 200)), Err(No::OffersClosed));
    let one = negotiating().and(offer(BUYER, 60, 60));
    assert_eq!(one.when(offer(BUYER, 60, 61)), Ok(vec![]));
    assert_eq!(one.when(accept(BUYER, 1)), Err(No::OwnOffer));
    assert_eq!(one.when(accept(SELLER, 2)), Err(No::UnknownOffer));
    assert_eq!(
        one.when(accept(SELLER, 1)),
        Ok(vec![
            E::OfferAccepted { offer: 1, by: Party::Seller },
            resolved(split(60, 40), Basis::Offer, None),
        ])
    );
    let two = one.and(offer(BUYER, 70, 61));
    assert_eq!(two.when(accept(SELLER, 1)), Err(No::OfferWithdrawn));
    let over = two.and(accept(SELLER, 2));
    assert_eq!(over.when(accept(SELLER, 2)), Ok(vec![]));
    assert_eq!(over.when(accept(SELLER, 1)), Err(No::Over));
    assert_eq!(over.when(offer(SELLER, 1, 62)), Err(No::Over));
    assert_eq!(over.when(file(SELLER, 1, 62)), Err(No::Over));
}

#[test]
fn the_resolver_is_called_by_a_side_or_by_the_clock() {
    assert_eq!(opened().when(escalate(BUYER)), Err(No::NotResponded));
    assert_eq!(negotiating().when(escalate(STAFF)), Err(No::NotParty));
    assert_eq!(negotiating().when(escalate(SELLER)), Ok(vec![E::Escalated { overdue: false }]));
    assert_eq!(under_review().when(escalate(SELLER)), Ok(vec![]));
    assert_eq!(negotiating().when(tick(199)), Ok(vec![]));
    assert_eq!(negotiating().when(tick(200)), Ok(vec![E::Escalated { overdue: true }]));
    let jump = vec![E::Escalated { overdue: true }, E::ResolverSilent { escrow: ESCROW }];
    assert_eq!(negotiating().when(tick(300)), Ok(jump));
    let steps = negotiating().and(tick(200)).and(tick(300));
    assert_eq!(steps.0, negotiating().and(tick(300)).0);
    assert_eq!(steps.when(tick(301)), Ok(vec![]));
}

#[test]
fn the_resolver_decides_over_all_that_is_held() {
    let half = split(50, 50);
    assert_eq!(negotiating().when(resolve(RESOLVER, false, half, 60)), Err(No::NotUnderReview));
    assert_eq!(under_review().when(resolve(BUYER, true, half, 80)), Err(No::ResolverIsParty));
    assert_eq!(under_review().when(resolve(STAFF, true, half, 80)), Err(No::NotResolver));
    assert_eq!(under_review().when(resolve(STAFF, false, half, 80)), Err(No::NotResolver));
    for bad in [split(50, 51), split(101, -1), split(0, 0)] {
        assert_eq!(under_review().when(resolve(RESOLVER, false, bad, 80)), Err(No::SplitNotEqualHeld));
    }
    let decided = resolved(half, Basis::Resolver, Some(RESOLVER));
    assert_eq!(under_review().when(resolve(RESOLVER, false, half, 80)), Ok(vec![decided]));
    let over = under_review().and(resolve(RESOLVER, false, half, 80));
    assert_eq!(over.when(resolve(RESOLVER, false, half, 81)), Ok(vec![]));
    assert_eq!(over.when(resolve(RESOLVER, false, split(1, 99), 81)), Err(No::Over));
    assert_eq!(over.when(escalate(BUYER)), Err(No::Over));
    // Who comes when the parties' time is over finds it before them.
    assert_eq!(negotiating().when(resolve(RESOLVER, false, half, 200)).unwrap().len(), 2);
    // A silent one has given way.
    let silent = under_review().and(tick(300));
    assert_eq!(silent.when(resolve(RESOLVER, false, half, 301)), Err(No::NotResolver));
    assert_eq!(silent.when(resolve(STAFF, true, half, 301)).unwrap().len(), 1);
}

#[test]
fn whoever_opened_it_may_withdraw() {
    let withdraw = |by| C::Withdraw { by, at: at(60) };
    assert_eq!(negotiating().when(withdraw(SELLER)), Err(No::NotClaimant));
    assert_eq!(negotiating().when(withdraw(BUYER)), Ok(vec![E::Withdrawn { escrow: ESCROW }]));
    let over = negotiating().and(withdraw(BUYER));
    assert_eq!(over.when(withdraw(BUYER)), Ok(vec![]));
    assert_eq!(over.when(respond(SELLER, 61)), Ok(vec![]));
    assert_eq!(opened().and(withdraw(BUYER)).when(respond(SELLER, 61)), Err(No::Over));
    assert_eq!(opened().and(tick(100)).when(withdraw(BUYER)), Err(No::Over));
    assert_eq!(over.when(C::Suspend { at: at(61) }), Ok(vec![]));
}

#[test]
fn it_waits_for_the_payers_bank() {
    let suspend = C::Suspend { at: at(60) };
    let resume = |amount| C::Resume { amount: usd(amount), at: at(1060) };
    assert_eq!(negotiating().when(suspend.clone()), Ok(vec![E::Suspended { at: at(60) }]));
    assert_eq!(negotiating().when(resume(100)), Ok(vec![]));
    let waits = negotiating().and(offer(BUYER, 60, 55)).and(suspend.clone());
    assert_eq!(waits.when(suspend), Ok(vec![]));
    assert_eq!(waits.when(tick(9999)), Ok(vec![]));
    assert_eq!(waits.when(accept(SELLER, 1)), Err(No::Suspended));
    assert_eq!(waits.when(offer(SELLER, 1, 70)), Err(No::Suspended));
    let review = under_review().and(C::Suspend { at: at(80) });
    assert_eq!(review.when(resolve(RESOLVER, false, split(50, 50), 90)), Err(No::Suspended));
    let on =
        E::Resumed { amount: usd(70), respond_by: at(1100), evidence_by: at(1200), resolve_by: at(1300) };
    assert_eq!(waits.when(resume(70)), Ok(vec![on]));
    assert_eq!(waits.when(resume(-1)), Err(No::InvalidAmount));
    let euros = C::Resume { amount: Money::new(1, Currency::EUR), at: at(1060) };
    assert_eq!(waits.when(euros), Err(No::CurrencyMismatch));
    assert_eq!(waits.when(resume(0)), Ok(vec![E::Lapsed { escrow: ESCROW }]));
    let less = waits.and(resume(70));
    assert_eq!(less.when(accept(SELLER, 1)), Err(No::OfferWithdrawn));
    assert_eq!(less.when(tick(1199)), Ok(vec![]));
    assert_eq!(less.0.next_deadline(), Some(at(1200)));
    assert_eq!(less.when(offer(SELLER, 70, 1100)), Err(No::SplitNotEqualHeld));
    let silent = opened().and(C::Suspend { at: at(60) }).and(resume(70)).and(tick(1100));
    assert_eq!(silent.0.split(), Some(split(70, 0)));
}

#[test]
fn is_on_disk_as_it_always_was() {
    let decided = resolved(split(50, 50), Basis::Resolver, Some(RESOLVER));
    let moved = at(1);
    let all = [
        E::Opened(opening()),
        E::Responded { statement: None },
        E::EvidenceFiled { by: Party::Seller, evidence: evidence(1), at: at(60) },
        E::OfferMade { offer: 1, by: Party::Buyer, split: split(60, 40) },
        E::OfferAccepted { offer: 1, by: Party::Seller },
        E::Escalated { overdue: true },
        E::ResolverSilent { escrow: ESCROW },
        resolved(split(60, 40), Basis::Offer, None),
        decided,
        E::Defaulted { escrow: ESCROW, split: split(80, 20) },
        E::Withdrawn { escrow: ESCROW },
        E::Suspended { at: at(1) },
        E::Resumed { amount: usd(70), respond_by: moved, evidence_by: moved, resolve_by: moved },
        E::Lapsed { escrow: ESCROW },
    ];
    let pinned: Vec<&str> = include_str!("pinned.jsonl").lines().collect();
    let written: Vec<String> = all.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    assert_eq!(written, pinned);
    for (event, json) in all.iter().zip(pinned) {
        assert_eq!(serde_json::from_str::<E>(json).unwrap(), *event);
        assert!(json.starts_with(&format!(r#"{{"type":"{}""#, event.as_ref())));
    }
}
