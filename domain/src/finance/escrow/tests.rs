//! Escrow, rule by rule.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{EscrowCommand as C, EscrowEvent as E, EscrowRefusal as No, *};
use crate::digest::Digest;
use crate::ids::{DisputeId, FundingId, MovementId, PaymentId};
use crate::kernel::{Given, Kind, Refusal, given};
use crate::money::Currency;
use crate::pii::{Field, Pii};

pub(super) const BUYER: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
pub(super) const SELLER: AccountId = AccountId::from_uuid(Uuid::from_u128(2));
pub(super) const STRANGER: AccountId = AccountId::from_uuid(Uuid::from_u128(3));
pub(super) const RESOLVER: AccountId = AccountId::from_uuid(Uuid::from_u128(4));
const DISPUTE: DisputeId = DisputeId::from_uuid(Uuid::from_u128(5));
const DAY: i64 = 86_400;

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub(super) fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub(super) fn milestone(n: u128) -> MilestoneId {
    MilestoneId::from_uuid(Uuid::from_u128(10 + n))
}

pub(super) fn sealed<F: Field>() -> Pii<F> {
    Pii::new(format!("pii1.{}.{}", "a".repeat(22), "a".repeat(75)).parse().unwrap())
}

pub(super) fn evidence() -> Evidence {
    Evidence { hash: Digest::of("work"), size: 4, media_type: "text/plain".into(), reference: "med_1".into() }
}

/// Milestones of these amounts, due in ten days, looked at for one; 10 % on top, for the buyer.
pub(super) fn terms_of(amounts: &[i64]) -> Terms {
    let of = |(n, &amount): (usize, &i64)| MilestoneTerms {
        milestone: milestone(n as u128),
        title: sealed(),
        amount: usd(amount),
        due: at(10 * DAY),
        inspection_s: 86_400,
        revisions: 1,
    };
    Terms {
        buyer: BUYER,
        seller: SELLER,
        resolver: Some(RESOLVER),
        total: usd(amounts.iter().sum()),
        milestones: amounts.iter().enumerate().map(of).collect(),
        fee: Fee { bps: 1000, fixed: 0, least: None, most: None, payer: FeePayer::Buyer },
        funding: FundingMode::PerMilestone,
        text: sealed(),
        text_hash: Digest::of("build a house"),
        intervals: Intervals {
            agree_s: 86_400,
            fund_s: 86_400,
            grace_s: 86_400,
            respond_s: 3600,
            evidence_s: 3600,
            resolve_s: 3600,
        },
    }
}

fn hash(terms: &Terms) -> Digest {
    terms.hash(&terms.fees().unwrap())
}

fn agree(by: AccountId, terms: &Terms, second: i64) -> C {
    C::Agree { by, terms_hash: hash(terms), at: at(second) }
}

fn agreed(terms: &Terms) -> Given<Escrow> {
    given::<Escrow>([])
        .and(C::Draft { by: BUYER, terms: terms.clone() })
        .and(C::Propose { by: BUYER, at: at(0) })
        .and(agree(BUYER, terms, 1))
        .and(agree(SELLER, terms, 2))
}

fn payment(n: u128) -> (FundingId, Source) {
    let payment = PaymentId::from_uuid(Uuid::from_u128(n));
    (FundingId::from_uuid(Uuid::from_u128(n)), Source::Payment { payment })
}

fn fund(n: u128, amount: i64, second: i64) -> C {
    let (funding, source) = payment(n);
    C::RecordFunding(Incoming { funding, source, milestone: None, amount: usd(amount), at: at(second) })
}

/// Two milestones of 1000, both funded with their fees of 100 by one payment.
fn funded() -> Given<Escrow> {
    agreed(&terms_of(&[1000, 1000])).and(fund(1, 2200, 10))
}

fn start(n: u128) -> C {
    C::Start { by: SELLER, milestone: milestone(n), at: at(20) }
}

fn submit(n: u128, second: i64) -> C {
    C::Submit { by: SELLER, milestone: milestone(n), evidence: vec![evidence()], at: at(second) }
}

fn receive(n: u128, second: i64) -> C {
    C::ConfirmReceipt { milestone: milestone(n), receipt: Receipt::Buyer { account: BUYER }, at: at(second) }
}

fn submitted() -> Given<Escrow> {
    funded().and(start(0)).and(submit(0, 30))
}

fn received() -> Given<Escrow> {
    submitted().and(receive(0, 40))
}

fn approve(by: AccountId, n: u128) -> C {
    C::Approve { by, milestone: milestone(n), at: at(50) }
}

fn by_time(second: i64) -> C {
    C::AutoRelease { milestone: milestone(0), at: at(second) }
}

fn release(by: AccountId, amount: i64) -> C {
    let release = MovementId::from_uuid(Uuid::from_u128(90));
    C::Release { by, release, milestone: milestone(0), amount: usd(amount), at: at(50) }
}

fn refund(by: AccountId, amount: i64, second: i64) -> C {
    let refund = MovementId::from_uuid(Uuid::from_u128(91));
    C::Refund { by, refund, milestone: milestone(0), amount: usd(amount), at: at(second) }
}

fn dispute(by: AccountId, second: i64) -> C {
    C::OpenDispute { by, dispute: DISPUTE, milestone: milestone(0), reason: None, at: at(second) }
}

fn settle(to_buyer: i64, to_seller: i64) -> C {
    let (to_buyer, to_seller) = (usd(to_buyer), usd(to_seller));
    C::SettleDispute { dispute: DISPUTE, to_buyer, to_seller, basis: Basis::Resolver, at: at(5000) }
}

fn reversal(amount: i64) -> C {
    C::RecordReversal { funding: payment(1).0, reference: "cb".into(), amount: usd(amount) }
}

fn won() -> C {
    C::RecordReversalWon { funding: payment(1).0, reference: "cb".into() }
}

fn lost() -> C {
    C::RecordReversalLost { funding: payment(1).0, reference: "cb".into() }
}

fn paid(gross: i64, fee: i64, priced: i64, trigger: Trigger, held: i64, asked: Option<u128>) -> E {
    E::FundsReleased {
        seller: SELLER,
        milestone: milestone(0),
        release: asked.map(|n| MovementId::from_uuid(Uuid::from_u128(n))),
        priced: usd(priced),
        gross: usd(gross),
        fee: usd(fee),
        net: usd(gross - fee),
        trigger,
        held: usd(held),
    }
}

fn held(escrow: &Given<Escrow>, n: usize) -> i64 {
    escrow.0.milestones()[n].held().amount
}

#[test]
fn terms_are_whole_or_refused() {
    let draft = |terms: Terms| given::<Escrow>([]).when(C::Draft { by: BUYER, terms });
    let with = |change: fn(&mut Terms)| {
        let mut terms = terms_of(&[1000, 1000]);
        change(&mut terms);
        draft(terms)
    };
    assert_eq!(with(|terms| terms.seller = BUYER), Err(No::SameParty));
    assert_eq!(with(|terms| terms.resolver = Some(SELLER)), Err(No::ResolverIsParty));
    assert_eq!(with(|terms| terms.total = usd(1999)), Err(No::MilestonesDoNotAddUp));
    assert_eq!(with(|terms| terms.milestones[1].amount = usd(0)), Err(No::InvalidAmount));
    assert_eq!(with(|terms| terms.milestones[1].amount.currency = Currency::EUR), Err(No::CurrencyMismatch));
    assert_eq!(with(|terms| terms.milestones[1].milestone = milestone(0)), Err(No::InvalidMilestones));
    assert_eq!(with(|terms| terms.milestones.clear()), Err(No::InvalidMilestones));
    assert_eq!(with(|terms| terms.intervals.fund_s = 0), Err(No::InvalidInterval));
    assert_eq!(with(|terms| terms.milestones[0].inspection_s = LONGEST + 1), Err(No::InvalidInterval));
    assert_eq!(with(|terms| terms.fee.bps = 10_001), Err(No::InvalidFee));
    assert_eq!(with(|terms| terms.fee.fixed = 901), Err(No::InvalidFee));
    assert_eq!(with(|terms| terms.fee.fixed = -1), Err(No::InvalidFee));
    assert_eq!(
        with(|terms| {
            terms.total = usd(Money::MOST + 1);
            terms.milestones[0].amount = usd(Money::MOST - 999);
        }),
        Err(No::InvalidAmount)
    );
    assert_eq!(with(|terms| terms.total.currency = "BGN".parse().unwrap()), Err(No::CurrencyNotInUse));
    assert_eq!(given::<Escrow>([]).when(start(0)), Err(No::Unknown));
    assert_eq!(given::<Escrow>([]).when(C::Draft { by: STRANGER, terms: terms_of(&[1]) }), Err(No::NotParty));
    assert_eq!(No::Unknown.kind(), Kind::Missing);
    assert_eq!(No::InvalidFee.kind(), Kind::Invalid);
    assert_eq!(No::OfferExpired.kind(), Kind::Gone);
    assert_eq!(No::Frozen.kind(), Kind::Conflict);
}

#[test]
fn a_fee_is_within_its_bounds_and_borne_as_agreed() {
    let fee = |payer, least, most| {
        let mut terms = terms_of(&[1000]);
        terms.fee = Fee { bps: 333, fixed: 2, least, most, payer };
        let fee = terms.fees().unwrap()[0];
        (fee.buyer.amount, fee.seller.amount)
    };
    assert_eq!(fee(FeePayer::Buyer, None, None), (35, 0));
    assert_eq!(fee(FeePayer::Seller, None, None), (0, 35));
    assert_eq!(fee(FeePayer::Split, None, None), (18, 17));
    assert_eq!(fee(FeePayer::Buyer, Some(50), None), (50, 0));
    assert_eq!(fee(FeePayer::Buyer, None, Some(10)), (10, 0));
}

#[test]
fn both_sign_the_same_digest() {
    let terms = terms_of(&[1000]);
    let proposed = given::<Escrow>([])
        .and(C::Draft { by: BUYER, terms: terms.clone() })
        .and(C::Propose { by: BUYER, at: at(0) });
    assert_eq!(proposed.when(agree(STRANGER, &terms, 1)), Err(No::NotParty));
    let other = terms_of(&[1001]);
    assert_eq!(proposed.when(agree(SELLER, &other, 1)), Err(No::TermsHashMismatch));
    assert_eq!(proposed.when(agree(SELLER, &terms, DAY)), Err(No::OfferExpired));
    let once = proposed.and(agree(SELLER, &terms, 1));
    assert_eq!(once.when(agree(SELLER, &terms, 2)), Ok(vec![]));
    let second = once.when(agree(BUYER, &terms, 2)).unwrap();
    let terms_hash = hash(&terms);
    assert_eq!(
        second,
        [
            E::TermsAgreed { party: Party::Buyer, terms_hash: terms_hash.clone() },
            E::Agreed { terms_hash, total: usd(1000), fund_by: at(2 + DAY) },
        ]
    );
}

#[test]
fn every_figure_and_word_is_signed() {
    let of = |change: fn(&mut Terms)| {
        let mut terms = terms_of(&[1000, 1000]);
        change(&mut terms);
        hash(&terms)
    };
    let same = of(|_| {});
    for change in [
        (|terms| terms.text_hash = Digest::of("build a hut")) as fn(&mut Terms),
        |terms| terms.resolver = None,
        |terms| terms.milestones[1].due += TimeDelta::seconds(1),
        |terms| terms.milestones[1].inspection_s += 1,
        |terms| terms.milestones[1].revisions += 1,
        |terms| terms.fee.bps += 1,
        |terms| terms.fee.payer = FeePayer::Seller,
        |terms| terms.funding = FundingMode::Whole,
        |terms| terms.intervals.grace_s += 1,
        |terms| terms.milestones.swap(0, 1),
    ] {
        assert_ne!(of(change), same);
    }
}

#[test]
fn whoever_changes_terms_has_them_agreed_anew() {
    let (old, new) = (terms_of(&[1000]), terms_of(&[1100]));
    let amend = |by, terms: &Terms| C::Amend { by, terms: terms.clone(), at: at(3) };
    let amended = agreed(&old).and(amend(SELLER, &new));
    assert_eq!(amended.0.status(), Some(EscrowStatus::Proposed));
    assert_eq!(amended.when(agree(BUYER, &old, 4)), Err(No::TermsHashMismatch));
    assert_eq!(amended.when(amend(SELLER, &new)), Ok(vec![]));
    assert_eq!(amended.when(agree(BUYER, &new, 4)).unwrap().len(), 1);
    let mut strange = new.clone();
    strange.seller = STRANGER;
    assert_eq!(amended.when(amend(BUYER, &strange)), Err(No::NotParty));
    assert_eq!(funded().when(amend(BUYER, &terms_of(&[5]))), Err(No::AlreadyFunded));
    assert_eq!(agreed(&old).when(C::Draft { by: BUYER, terms: new }), Err(No::AlreadyDrafted));
    assert_eq!(agreed(&old).when(C::Draft { by: BUYER, terms: old }), Ok(vec![]));
}

#[test]
fn an_offer_is_of_work_to_come_and_runs_out() {
    let draft = given::<Escrow>([]).and(C::Draft { by: BUYER, terms: terms_of(&[1000]) });
    assert_eq!(draft.when(C::Propose { by: BUYER, at: at(10 * DAY) }), Err(No::DueInPast));
    assert_eq!(draft.when(agree(BUYER, &terms_of(&[1000]), 1)), Err(No::NotProposed));
    let proposed = draft.and(C::Propose { by: BUYER, at: at(0) });
    assert_eq!(proposed.when(C::Propose { by: SELLER, at: at(1) }), Ok(vec![]));
    assert_eq!(proposed.when(C::Expire { at: at(DAY - 1) }), Err(No::NotDue));
    let expired = proposed.and(C::Expire { at: at(DAY) });
    assert_eq!(expired.0.outcome(), Some(Outcome::Cancelled));
    assert_eq!(expired.when(C::Expire { at: at(DAY) }), Ok(vec![]));
    assert_eq!(expired.when(agree(BUYER, &terms_of(&[1000]), 1)), Err(No::Closed));
}

#[test]
fn money_fills_milestones_in_their_order_and_the_rest_goes_back() {
    let escrow = agreed(&terms_of(&[1000, 1000])).and(fund(1, 1500, 10));
    assert_eq!((held(&escrow, 0), held(&escrow, 1)), (1100, 400));
    let (funding, source) = payment(2);
    assert_eq!(
        escrow.when(fund(2, 1000, 11)).unwrap(),
        [
            E::Funded {
                funding,
                source: source.clone(),
                amount: usd(700),
                allocation: vec![Part { milestone: milestone(1), amount: usd(700) }],
            },
            E::MilestoneFunded { milestone: milestone(1), held: usd(1100) },
            E::Overfunded { funding, source, amount: usd(300) },
        ]
    );
    let whole = escrow.and(fund(2, 1000, 11));
    assert_eq!(whole.when(fund(2, 1000, 12)), Ok(vec![]));
    assert_eq!(whole.when(fund(2, 999, 12)), Err(No::FundingMismatch));
    assert_eq!(whole.when(fund(3, 0, 12)), Err(No::InvalidAmount));
    let mut euros = fund(3, 5, 12);
    if let C::RecordFunding(incoming) = &mut euros {
        incoming.amount.currency = Currency::EUR;
    }
    assert_eq!(whole.when(euros), Err(No::CurrencyMismatch));
}

#[test]
fn money_that_comes_too_early_or_too_late_goes_back() {
    let draft = given::<Escrow>([]).and(C::Draft { by: BUYER, terms: terms_of(&[1000]) });
    let late = agreed(&terms_of(&[1000])).when(fund(1, 1100, 2 + DAY)).unwrap();
    for back in [draft.when(fund(1, 1100, 3)).unwrap(), late] {
        let (funding, source) = payment(1);
        assert_eq!(back, [E::Overfunded { funding, source, amount: usd(1100) }]);
    }
}

#[test]
fn what_is_not_funded_in_time_is_wound_up() {
    let part = agreed(&terms_of(&[1000])).and(fund(1, 500, 10));
    assert_eq!(part.when(C::Expire { at: at(DAY) }), Err(No::NotDue));
    assert_eq!(part.when(start(0)), Err(No::Underfunded));
    let over = part.and(C::Expire { at: at(2 + DAY) });
    assert_eq!((held(&over, 0), over.0.outcome()), (0, Some(Outcome::Refunded)));
    assert_eq!(funded().when(C::Expire { at: at(9 * DAY) }), Err(No::NotDue));
    let mut terms = terms_of(&[1000, 1000]);
    terms.funding = FundingMode::Whole;
    let half = agreed(&terms).and(fund(1, 1100, 10));
    assert_eq!(half.when(start(0)), Err(No::Underfunded));
    assert!(half.and(fund(2, 1100, 11)).when(start(0)).is_ok());
}

#[test]
fn work_is_begun_and_handed_in_by_the_seller() {
    assert_eq!(funded().when(submit(0, 30)), Err(No::NotStarted));
    assert_eq!(agreed(&terms_of(&[1])).when(start(0)), Err(No::Underfunded));
    let by_buyer = C::Start { by: BUYER, milestone: milestone(0), at: at(20) };
    assert_eq!(funded().when(by_buyer), Err(No::NotSeller));
    assert_eq!(funded().when(start(7)), Err(No::UnknownMilestone));
    assert_eq!(submitted().when(start(0)), Ok(vec![]));
    assert_eq!(submitted().when(submit(0, 31)), Ok(vec![]));
    let none = C::Submit { by: SELLER, milestone: milestone(0), evidence: vec![], at: at(30) };
    assert_eq!(submitted().when(none), Err(No::InvalidEvidence));
    for change in [
        (|of| of.size = 0) as fn(&mut Evidence),
        |of| of.media_type = "text".into(),
        |of| of.media_type = "text/pl ain".into(),
        |of| of.reference = " ".into(),
    ] {
        let mut bad = evidence();
        change(&mut bad);
        assert!(!bad.is_whole());
    }
    let mut other = evidence();
    other.size = 5;
    let again = C::Submit { by: SELLER, milestone: milestone(0), evidence: vec![other], at: at(31) };
    assert_eq!(submitted().when(again), Err(No::AlreadySubmitted));
}

#[test]
fn the_inspection_begins_with_receipt() {
    let by = |account| C::ConfirmReceipt {
        milestone: milestone(0),
        receipt: Receipt::Buyer { account },
        at: at(40),
    };
    assert_eq!(submitted().when(by(SELLER)), Err(No::NotBuyer));
    assert_eq!(funded().when(by(BUYER)), Err(No::NotSubmitted));
    let receipt = Receipt::Buyer { account: BUYER };
    let inspection_due = at(40 + DAY);
    let confirmed = E::ReceiptConfirmed { milestone: milestone(0), receipt, inspection_due };
    assert_eq!(submitted().when(by(BUYER)), Ok(vec![confirmed]));
    assert_eq!(received().when(by(BUYER)), Ok(vec![]));
}

#[test]
fn silence_is_acceptance_of_what_has_arrived_only() {
    assert_eq!(received().when(by_time(39 + DAY)), Err(No::InspectionNotOver));
    let released = paid(1100, 100, 1000, Trigger::Time, 0, None);
    assert_eq!(received().when(by_time(40 + DAY)), Ok(vec![released]));
    assert_eq!(received().and(by_time(40 + DAY)).when(by_time(41 + DAY)), Ok(vec![]));
    assert_eq!(submitted().when(by_time(29 + DAY)), Err(No::ReceiptNotConfirmed));
    let missing = E::ReceiptMissing { milestone: milestone(0) };
    assert_eq!(submitted().when(by_time(30 + DAY)), Ok(vec![missing]));
    assert_eq!(submitted().and(by_time(30 + DAY)).when(by_time(90 * DAY)), Ok(vec![]));
    assert_eq!(funded().when(by_time(90 * DAY)), Err(No::NotSubmitted));
}

#[test]
fn work_is_sent_back_in_time_and_not_for_ever() {
    let revise =
        |by, second| C::RequestRevision { by, milestone: milestone(0), reason: None, at: at(second) };
    assert_eq!(received().when(revise(SELLER, 50)), Err(No::NotBuyer));
    assert_eq!(received().when(revise(BUYER, 40 + DAY)), Err(No::InspectionOver));
    assert_eq!(funded().when(revise(BUYER, 50)), Err(No::NotSubmitted));
    let back = received().and(revise(BUYER, 50));
    assert_eq!(back.0.milestones()[0].status(), MilestoneStatus::RevisionRequested);
    assert_eq!(back.when(revise(BUYER, 51)), Ok(vec![]));
    assert_eq!(back.and(submit(0, 60)).when(revise(BUYER, 61)), Err(No::RevisionsUsedUp));
}

#[test]
fn the_buyer_approves_what_was_handed_in() {
    assert_eq!(submitted().when(approve(SELLER, 0)), Err(No::NotBuyer));
    assert_eq!(submitted().when(approve(STRANGER, 0)), Err(No::NotParty));
    assert_eq!(funded().when(approve(BUYER, 0)), Err(No::NotSubmitted));
    let released = paid(1100, 100, 1000, Trigger::Buyer, 0, None);
    assert_eq!(
        submitted().when(approve(BUYER, 0)),
        Ok(vec![E::Approved { milestone: milestone(0) }, released])
    );
    let over = submitted().and(approve(BUYER, 0));
    assert_eq!(over.when(approve(BUYER, 0)), Ok(vec![]));
    assert_eq!(over.when(refund(SELLER, 1, 60)), Err(No::MilestoneOver));
    assert_eq!(over.when(dispute(BUYER, 60)), Err(No::MilestoneOver));
}

#[test]
fn a_part_is_released_with_its_part_of_the_fee() {
    assert_eq!(funded().when(release(SELLER, 100)), Err(No::NotBuyer));
    assert_eq!(funded().when(release(BUYER, 1001)), Err(No::HeldTooSmall));
    assert_eq!(funded().when(release(BUYER, 0)), Err(No::InvalidAmount));
    assert_eq!(
        funded().when(release(BUYER, 250)),
        Ok(vec![paid(275, 25, 250, Trigger::Buyer, 825, Some(90))])
    );
    let part = funded().and(release(BUYER, 250));
    assert_eq!(part.when(release(BUYER, 250)), Ok(vec![]));
    assert_eq!(part.when(release(BUYER, 251)), Err(No::MovementMismatch));
}

#[test]
fn money_goes_back_by_consent_or_where_work_is_late() {
    let repaid = |reason| E::MilestoneRefunded {
        buyer: BUYER,
        milestone: milestone(0),
        refund: Some(MovementId::from_uuid(Uuid::from_u128(91))),
        amount: usd(300),
        reason,
        to: vec![Repayment { funding: payment(1).0, amount: usd(300) }],
        held: usd(800),
    };
    assert_eq!(funded().when(refund(SELLER, 300, 60)), Ok(vec![repaid(RefundGround::SellerConsents)]));
    assert_eq!(funded().when(refund(BUYER, 300, 11 * DAY - 1)), Err(No::NotDue));
    assert_eq!(funded().when(refund(BUYER, 300, 11 * DAY)), Ok(vec![repaid(RefundGround::WorkOverdue)]));
    assert_eq!(submitted().when(refund(BUYER, 300, 11 * DAY)), Err(No::AlreadySubmitted));
    assert_eq!(funded().when(refund(SELLER, 1101, 60)), Err(No::HeldTooSmall));
    assert_eq!(funded().and(refund(SELLER, 300, 60)).when(refund(SELLER, 300, 61)), Ok(vec![]));
    let ask =
        |by| C::RequestRefund { by, milestone: milestone(0), amount: usd(300), reason: None, at: at(60) };
    assert_eq!(funded().when(ask(SELLER)), Err(No::NotBuyer));
    let asked = E::RefundRequested { milestone: milestone(0), amount: usd(300), reason: None };
    assert_eq!(funded().when(ask(BUYER)), Ok(vec![asked]));
    // An unfunded milestone's part is the buyer's to take back.
    let part = agreed(&terms_of(&[1000])).and(fund(1, 500, 10)).and(refund(BUYER, 500, 11));
    assert_eq!((held(&part, 0), part.0.status()), (0, Some(EscrowStatus::Active)));
}

#[test]
fn a_dispute_locks_its_milestone_and_no_other() {
    assert_eq!(received().when(dispute(STRANGER, 50)), Err(No::NotParty));
    assert_eq!(received().when(dispute(BUYER, 40 + DAY)), Err(No::InspectionOver));
    let open = received().and(dispute(BUYER, 50));
    assert_eq!(open.0.milestones()[0].status(), MilestoneStatus::Disputed);
    assert_eq!(open.when(dispute(BUYER, 51)), Ok(vec![]));
    let second = DisputeId::from_uuid(Uuid::from_u128(6));
    let other =
        C::OpenDispute { by: SELLER, dispute: second, milestone: milestone(0), reason: None, at: at(51) };
    for locked in
        [other, approve(BUYER, 0), by_time(90 * DAY), release(BUYER, 1), refund(SELLER, 1, 60), submit(0, 60)]
    {
        assert_eq!(open.when(locked), Err(No::DisputeOpen));
    }
    assert!(open.when(start(1)).is_ok());
    assert_eq!(open.when(C::Cancel { by: BUYER, at: at(60) }), Err(No::DisputeOpen));
}

#[test]
fn a_split_is_all_that_is_held() {
    let open = received().and(dispute(BUYER, 50));
    for (to_buyer, to_seller) in [(550, 551), (1101, -1), (0, 0), (i64::MAX, 1)] {
        assert_eq!(open.when(settle(to_buyer, to_seller)), Err(No::SplitNotEqualHeld));
    }
    assert_eq!(received().when(settle(0, 1100)), Err(No::UnknownDispute));
    let events = open.when(settle(550, 550)).unwrap();
    assert_eq!(events[1], paid(550, 50, 500, Trigger::Dispute, 550, None));
    assert!(
        matches!(&events[2], E::MilestoneRefunded { amount, reason: RefundGround::Dispute, .. } if *amount == usd(550))
    );
    let settled = open.and(settle(550, 550));
    assert_eq!(settled.0.milestones()[0].status(), MilestoneStatus::Resolved);
    assert_eq!(settled.when(settle(550, 550)), Ok(vec![]));
    assert_eq!(settled.when(dispute(BUYER, 60)), Ok(vec![]));
}

#[test]
fn a_dispute_given_up_leaves_the_time_that_was_left() {
    let close = |second| C::CloseDispute { dispute: DISPUTE, at: at(second) };
    let closed = received().and(dispute(BUYER, 50)).and(close(1050));
    assert_eq!(closed.when(close(1051)), Ok(vec![]));
    assert_eq!(closed.when(by_time(1039 + DAY)), Err(No::InspectionNotOver));
    assert_eq!(closed.when(by_time(1040 + DAY)).unwrap().len(), 1);
}

#[test]
fn what_is_charged_back_is_frozen_until_the_outcome() {
    let frozen = received().and(reversal(1500));
    assert_eq!((held(&frozen, 0), held(&frozen, 1)), (0, 700));
    for waits in [approve(BUYER, 0), by_time(90 * DAY), refund(SELLER, 1, 60), dispute(BUYER, 60), start(1)] {
        assert_eq!(frozen.when(waits), Err(No::Frozen));
    }
    assert_eq!(frozen.when(reversal(1500)), Ok(vec![]));
    assert_eq!(frozen.when(reversal(1501)), Err(No::FundingMismatch));
    let (funding, source) = payment(2);
    let back = E::Overfunded { funding, source, amount: usd(5) };
    assert_eq!(frozen.when(fund(2, 5, 60)), Ok(vec![back]));
    let again = received().and(reversal(1500)).and(won());
    assert_eq!((held(&again, 0), held(&again, 1)), (1100, 1100));
    assert_eq!(again.when(won()), Ok(vec![]));
    assert_eq!(again.when(lost()), Err(No::FundingMismatch));
    let gone = frozen.and(lost()).and(fund(2, 1500, 60));
    assert_eq!((held(&gone, 0), held(&gone, 1)), (1100, 1100));
    assert_eq!(gone.when(approve(BUYER, 0)).unwrap().len(), 2);
}

#[test]
fn what_was_released_before_is_a_shortfall() {
    let released = submitted().and(approve(BUYER, 0));
    let events = released.when(reversal(2200)).unwrap();
    let from = vec![Part { milestone: milestone(1), amount: usd(1100) }];
    let (funding, reference) = (payment(1).0, "cb".to_owned());
    let reversed = E::FundingReversed { funding, reference, amount: usd(2200), from, shortfall: usd(1100) };
    assert_eq!(events, [reversed]);
    assert_eq!(released.when(reversal(2201)), Err(No::InvalidAmount));
    assert_eq!(agreed(&terms_of(&[1])).when(reversal(1)), Err(No::UnknownFunding));
    assert_eq!(released.when(won()), Err(No::UnknownFunding));
}

#[test]
fn is_cancelled_alone_before_money_and_by_both_after() {
    let cancel = |by| C::Cancel { by, at: at(60) };
    let alone = agreed(&terms_of(&[1000])).and(cancel(SELLER));
    assert_eq!(alone.0.outcome(), Some(Outcome::Cancelled));
    assert_eq!(alone.when(cancel(BUYER)), Ok(vec![]));
    assert_eq!(alone.when(start(0)), Err(No::Closed));
    assert_eq!(submitted().when(cancel(BUYER)), Err(No::AlreadySubmitted));
    assert_eq!(funded().and(reversal(10)).when(cancel(BUYER)), Err(No::Frozen));
    let asked = funded().and(cancel(BUYER));
    assert!(asked.0.wants_to_cancel(Party::Buyer));
    assert_eq!(asked.when(cancel(BUYER)), Ok(vec![]));
    let over = asked.and(cancel(SELLER));
    assert_eq!((held(&over, 0), held(&over, 1), over.0.outcome()), (0, 0, Some(Outcome::Refunded)));
}

#[test]
fn the_clock_rests_by_agreement() {
    let (until, propose) = (at(100 + DAY), |by| C::ProposePause { by, until: at(100 + DAY), at: at(100) });
    let consent = |by| C::AgreePause { by, until: at(100 + DAY), at: at(100) };
    let back = C::ProposePause { by: BUYER, until: at(99), at: at(100) };
    assert_eq!(received().when(back), Err(No::InvalidPause));
    assert_eq!(received().when(consent(SELLER)), Err(No::NoPauseProposed));
    let proposed = received().and(propose(BUYER));
    assert_eq!(proposed.when(consent(BUYER)), Err(No::OwnProposal));
    let paused = proposed.and(consent(SELLER));
    assert_eq!(paused.when(consent(SELLER)), Ok(vec![]));
    assert_eq!(paused.when(start(1)), Err(No::Paused));
    assert_eq!(paused.when(by_time(99 + DAY)), Err(No::InspectionNotOver));
    // One jump beyond its end, or the clock's own call then, are the same.
    let jump = received().and(propose(BUYER)).and(consent(SELLER)).and(by_time(40 + 2 * DAY));
    let steps = received()
        .and(propose(BUYER))
        .and(consent(SELLER))
        .and(C::Resume { by: None, at: until })
        .and(by_time(40 + 2 * DAY));
    assert_eq!(held(&jump, 0), 0);
    assert_eq!(jump.0, steps.0);
    let early = |by| C::Resume { by: Some(by), at: at(200) };
    let wanted = paused.and(early(BUYER));
    assert_eq!(wanted.when(early(BUYER)), Ok(vec![]));
    assert_eq!(wanted.when(C::Resume { by: None, at: at(200) }), Err(No::NotDue));
    let on = wanted.and(early(SELLER));
    assert_eq!(on.when(by_time(139 + DAY)), Err(No::InspectionNotOver));
    assert_eq!(on.when(by_time(140 + DAY)).unwrap().len(), 1);
}

#[test]
fn ends_when_all_milestones_are_over() {
    let both = submitted().and(approve(BUYER, 0)).and(start(1)).and(submit(1, 60));
    let events = both.when(approve(BUYER, 1)).unwrap();
    let closed = E::Closed {
        outcome: Outcome::Completed,
        released: usd(2000),
        fees: usd(200),
        refunded: usd(0),
        reversed: usd(0),
    };
    assert_eq!(events.last(), Some(&closed));
    let done = both.and(approve(BUYER, 1));
    assert_eq!(done.when(C::Cancel { by: BUYER, at: at(90) }), Err(No::Closed));
    let (funding, source) = payment(7);
    let back = E::Overfunded { funding, source, amount: usd(1) };
    assert_eq!(done.when(fund(7, 1, 90)), Ok(vec![back]));
    assert_eq!(done.when(reversal(100)).unwrap().len(), 1);
}

#[test]
fn says_what_each_may_do_and_why_not() {
    let choice = |by, action| {
        let all = received().0.choices(by, at(50));
        all.into_iter()
            .find(|of| of.action == action && of.milestone.is_none_or(|of| of == milestone(0)))
            .unwrap()
    };
    assert_eq!(choice(BUYER, Action::Approve).refusal, None);
    assert_eq!(choice(SELLER, Action::Approve).refusal, Some(No::NotBuyer));
    assert!(choice(BUYER, Action::ConfirmReceipt).done);
    assert_eq!(choice(SELLER, Action::Refund).refusal, None);
    assert_eq!(choice(STRANGER, Action::OpenDispute).refusal, Some(No::NotParty));
    let due = received().0.deadlines();
    assert!(due.contains(&(Deadline::Inspection, Some(milestone(0)), at(40 + DAY))));
    assert!(due.contains(&(Deadline::Work, Some(milestone(1)), at(11 * DAY))));
}
