//! Facts: what is to be remembered of a thing to see whether its invariant holds, and what an event makes of them.

use super::*;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Facts {
    /// I3: what is there of an account that must not be overdrawn, and what is reserved of it.
    Account { normal: Side, there: i64, reserved: i64 },
    /// I1: debits less credits of a currency.
    Currency { difference: i64 },
    /// I4: what was reserved, and whether that is over.
    Transaction { reserved: i64, over: bool },
    /// I9.
    Payment {
        authorised: i64,
        asked: i64,
        taken: i64,
        /// What each refund holds or has paid out.
        refunds: BTreeMap<RefundId, i64>,
        live: Option<AttemptId>,
    },
    /// I10: what an event of the business has taken, and how often it was posted.
    Posting { captured: Option<i64>, transactions: u32 },
    /// I11: the most that an order ever came to, and what it has earned.
    Order { most: i64, earned: i64 },
}

/// Which invariant an event has broken, and how.
type Broken = Option<(&'static str, String)>;

fn unless(holds: bool, invariant: &'static str, why: impl FnOnce() -> String) -> Broken {
    (!holds).then(|| (invariant, why()))
}

/// What an event is about.
pub(super) fn legs(happened: &T) -> &[Leg] {
    match happened {
        T::Posted(posting) => &posting.legs,
        T::Reserved(reservation) => std::slice::from_ref(&reservation.leg),
        T::PendingPosted { leg, .. } | T::Voided { leg } | T::Expired { leg } => std::slice::from_ref(leg),
        T::Reversed { .. } => &[],
    }
}

/// What an event posts.
fn posted(happened: &T) -> &[Leg] {
    match happened {
        T::Posted(_) | T::PendingPosted { .. } => legs(happened),
        _ => &[],
    }
}

fn add(sum: &mut i64, amount: i64) -> Result<(), Unfoldable> {
    *sum = sum.checked_add(amount).ok_or(Unfoldable::OutOfRange)?;
    Ok(())
}

impl Facts {
    /// What an event makes of what is known of a thing; nothing, where the event is about nothing that is watched.
    pub(super) fn after(
        known: Option<Self>,
        key: &str,
        event: &Recorded,
    ) -> Result<Option<(Self, Broken)>, Unfoldable> {
        let (kind, id) = key.split_once('/').unwrap_or_default();
        let transaction = event.of::<LedgerTransaction>()?;
        Ok(match (kind, transaction) {
            ("account", _) => account(known, id, event)?,
            ("currency", Some(happened)) => Some(currency(known, id, happened)?),
            ("transaction", Some(happened)) => pending(known, happened),
            ("posting", _) => posting(known, event)?,
            ("order", _) => order(known, id, event)?,
            ("payment", _) => payment(known, event)?,
            _ => None,
        })
    }
}

fn account(known: Option<Facts>, id: &str, event: &Recorded) -> Result<Option<(Facts, Broken)>, Unfoldable> {
    if let Some(LedgerAccountEvent::Opened { class, .. }) = event.of::<LedgerAccount>()? {
        return Ok(Some((Facts::Account { normal: class.normal(), there: 0, reserved: 0 }, None)));
    }
    let (Some(Facts::Account { normal, mut there, mut reserved }), Some(happened)) =
        (known, event.of::<LedgerTransaction>()?)
    else {
        return Ok(None);
    };
    for leg in legs(happened) {
        for (account, side) in [(&leg.debit, Side::Debit), (&leg.credit, Side::Credit)] {
            if account.to_string() != id {
                continue;
            }
            let (amount, takes) = (leg.amount.amount, side != normal);
            match happened {
                T::Posted(_) => add(&mut there, if takes { -amount } else { amount })?,
                T::Reserved(_) if takes => add(&mut reserved, amount)?,
                T::PendingPosted { reserved: was, .. } => {
                    add(&mut there, if takes { -amount } else { amount })?;
                    add(&mut reserved, if takes { -was.amount } else { 0 })?;
                }
                T::Voided { .. } | T::Expired { .. } if takes => add(&mut reserved, -amount)?,
                _ => {}
            }
        }
    }
    let broken =
        unless(there >= reserved, "I3", || format!("{there} is there, {reserved} is reserved of it"));
    Ok(Some((Facts::Account { normal, there, reserved }, broken)))
}

fn currency(known: Option<Facts>, id: &str, happened: &T) -> Result<(Facts, Broken), Unfoldable> {
    let mut difference = match known {
        Some(Facts::Currency { difference }) => difference,
        _ => 0,
    };
    let before = difference;
    let mut odd = false;
    for Leg { debit, credit, amount, .. } in posted(happened) {
        odd |= amount.amount <= 0;
        if debit.currency().to_string() == id {
            add(&mut difference, amount.amount)?;
        }
        if credit.currency().to_string() == id {
            add(&mut difference, -amount.amount)?;
        }
    }
    let broken = unless(difference == before && !odd, "I1", || {
        format!("debits less credits go from {before} to {difference}")
    });
    Ok((Facts::Currency { difference }, broken))
}

fn pending(known: Option<Facts>, happened: &T) -> Option<(Facts, Broken)> {
    if let T::Reserved(reservation) = happened {
        return Some((Facts::Transaction { reserved: reservation.leg.amount.amount, over: false }, None));
    }
    let (reserved, over) = match known {
        Some(Facts::Transaction { reserved, over }) => (reserved, over),
        _ => (0, true),
    };
    let amount = posted(happened).iter().map(|leg| leg.amount.amount).sum::<i64>();
    let broken = unless(!over && amount <= reserved, "I4", || {
        let state = if over { "over already" } else { "pending" };
        format!("{amount} is posted of {reserved}, which is {state}")
    });
    Some((Facts::Transaction { reserved, over: true }, broken))
}

/// What of a transaction is posted as captured at the provider.
fn as_captured(posting: &Posting) -> i64 {
    let is_capture = |leg: &&Leg| {
        leg.code.as_deref() == Some("capture")
            && leg.debit.path().starts_with("psp:")
            && leg.debit.path().ends_with(":clearing")
    };
    posting.legs.iter().filter(is_capture).fold(0, |sum, leg| sum.saturating_add(leg.amount.amount))
}

fn posting(known: Option<Facts>, event: &Recorded) -> Result<Option<(Facts, Broken)>, Unfoldable> {
    let (captured, transactions) = match known {
        Some(Facts::Posting { captured, transactions }) => (captured, transactions),
        _ => (None, 0),
    };
    if let Some(PaymentEvent::Captured { amount, .. }) = event.of::<Payment>()? {
        return Ok(Some((Facts::Posting { captured: Some(amount.amount), transactions }, None)));
    }
    let Some(T::Posted(posting)) = event.of::<LedgerTransaction>()? else { return Ok(None) };
    let (of, was) = (as_captured(posting), captured.unwrap_or(0));
    let broken = unless(transactions == 0 && of == was, "I10", || {
        format!("{was} was captured, {of} is posted as captured, after {transactions} transactions of it")
    });
    Ok(Some((Facts::Posting { captured, transactions: transactions.saturating_add(1) }, broken)))
}

fn order(known: Option<Facts>, id: &str, event: &Recorded) -> Result<Option<(Facts, Broken)>, Unfoldable> {
    let known = match known {
        Some(Facts::Order { most, earned }) => Some((most, earned)),
        _ => None,
    };
    let total = match event.of::<Order>()? {
        Some(OrderEvent::Placed(placed)) => Some(placed.terms.total),
        Some(OrderEvent::EditConfirmed { terms, .. }) => Some(terms.total),
        _ => None,
    };
    if let Some(total) = total {
        let (most, earned) = known.unwrap_or_default();
        return Ok(Some((Facts::Order { most: most.max(total.amount), earned }, None)));
    }
    let (Some((most, mut earned)), Some(happened)) = (known, event.of::<LedgerTransaction>()?) else {
        return Ok(None);
    };
    for leg in posted(happened) {
        if matches!(leg.code.as_deref(), Some("goods" | "shipping" | "tax")) {
            let is_own = |account| order_of(account) == Some(id);
            let (sold, back) = (is_own(&leg.debit), is_own(&leg.credit));
            add(&mut earned, i64::from(sold) * leg.amount.amount - i64::from(back) * leg.amount.amount)?;
        }
    }
    let broken =
        unless((0..=most).contains(&earned), "I11", || format!("{earned} is earned of at most {most}"));
    Ok(Some((Facts::Order { most, earned }, broken)))
}

fn payment(known: Option<Facts>, event: &Recorded) -> Result<Option<(Facts, Broken)>, Unfoldable> {
    use PaymentEvent as P;
    let Some(happened) = event.of::<Payment>()? else { return Ok(None) };
    let (mut authorised, mut asked, mut taken, mut refunds, mut live) = match known {
        Some(Facts::Payment { authorised, asked, taken, refunds, live }) => {
            (authorised, asked, taken, refunds, live)
        }
        _ => (0, 0, 0, BTreeMap::new(), None),
    };
    let mut second = false;
    match happened {
        P::AttemptStarted { attempt, .. } => {
            second = live.is_some_and(|other| other != *attempt);
            live = Some(*attempt);
        }
        P::Declined { .. } | P::Voided { .. } | P::Cancelled { .. } | P::Expired { .. } => live = None,
        P::Authorised { amount, .. } => authorised = amount.amount,
        P::Captured { amount, .. } => {
            add(&mut asked, amount.amount)?;
            add(&mut taken, amount.amount)?;
        }
        P::Recorded { amount, .. } => add(&mut taken, amount.amount)?,
        P::LateObservation {
            fact: domain::finance::payment::Fact::Captured, amount: Some(amount), ..
        } => {
            add(&mut taken, amount.amount)?;
        }
        P::RefundAllotted { refund, amount, .. }
        | P::RefundSetAside { refund, amount, .. }
        | P::RefundSettled { refund, amount, .. } => _ = refunds.insert(*refund, amount.amount),
        P::RefundReleased { refund, .. } | P::RefundReversed { refund, .. } => _ = refunds.remove(refund),
        _ => {}
    }
    let given_back = refunds.values().fold(0i64, |sum, amount| sum.saturating_add(*amount));
    let holds = asked <= authorised && given_back <= taken && !second;
    let broken = unless(holds, "I9", || {
        let attempts = if second { ", and two attempts live" } else { "" };
        format!("{authorised} is authorised, {taken} taken, {given_back} given back or on its way{attempts}")
    });
    Ok(Some((Facts::Payment { authorised, asked, taken, refunds, live }, broken)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::finance::ledger_account::Class;
    use domain::finance::ledger_transaction::Reservation;
    use domain::ids::{CaptureId, LedgerTransactionId, OrderId, PaymentId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    const WALLET: &str = "cust:ann:wallet@USD";
    const ID: LedgerTransactionId = LedgerTransactionId::from_uuid(Uuid::from_u128(1));

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn leg(debit: &str, credit: &str, amount: i64, code: &str) -> Leg {
        let (debit, credit) = (debit.parse().unwrap(), credit.parse().unwrap());
        Leg { debit, credit, amount: usd(amount), code: Some(code.into()) }
    }

    fn transaction(happened: &T) -> Recorded {
        Recorded::example::<LedgerTransaction>(ID.to_string(), happened)
    }

    fn post(source: Option<Uuid>, legs: Vec<Leg>) -> Recorded {
        transaction(&T::Posted(Posting { legs, reference: None, description: None, source, reverses: None }))
    }

    fn paid(happened: &PaymentEvent) -> Recorded {
        Recorded::example::<Payment>(PaymentId::from_uuid(Uuid::from_u128(3)).to_string(), happened)
    }

    fn captured(amount: i64) -> PaymentEvent {
        PaymentEvent::Captured {
            order: OrderId::from_uuid(Uuid::from_u128(7)),
            attempt: AttemptId::from_uuid(Uuid::from_u128(8)),
            capture: CaptureId::from_uuid(Uuid::from_u128(9)),
            amount: usd(amount),
            fee: usd(0),
            psp_ref: "cp_1".into(),
        }
    }

    /// What is broken by these events, in their order, and at which of them.
    fn broken(events: &[Recorded]) -> Vec<(String, i64)> {
        let rows = example::rows::<Invariants>(events.iter().cloned().zip(1..).map(|(e, n)| e.numbered(n)));
        let broken = rows.into_iter().filter_map(|row| row.broken.zip(row.position));
        broken.collect()
    }

    #[test]
    fn what_is_debited_in_one_currency_and_credited_in_another_breaks_both() {
        let good = post(None, vec![leg("a@USD", "b@USD", 5, "x")]);
        let bad = post(None, vec![leg("a@USD", "b@EUR", 5, "x")]);
        assert_eq!(broken(&[good.clone(), good.clone()]), []);
        assert_eq!(broken(&[good, bad]), [("I1".into(), 2), ("I1".into(), 2)]);
    }

    #[test]
    fn an_account_that_must_not_be_overdrawn_is_not() {
        let account = WALLET.parse().unwrap();
        let opened = LedgerAccountEvent::Opened {
            account,
            class: Class::Liability,
            no_overdraft: true,
            shared: false,
        };
        let opened = Recorded::example::<LedgerAccount>(WALLET, &opened);
        let top_up = post(None, vec![leg("bank@USD", WALLET, 10, "x")]);
        let reserve = |amount| {
            let expires_at = chrono::DateTime::from_timestamp(9, 0).unwrap();
            let leg = leg(WALLET, "rev:sales@USD", amount, "x");
            transaction(&T::Reserved(Reservation { leg, expires_at, reference: None, description: None }))
        };
        assert_eq!(broken(&[opened.clone(), top_up.clone(), reserve(10)]), []);
        let spend = post(None, vec![leg(WALLET, "rev:sales@USD", 1, "x")]);
        assert_eq!(broken(&[opened, top_up, reserve(10), spend]), [("I3".into(), 4)]);
    }

    #[test]
    fn what_is_pending_ends_once() {
        let leg = || leg("a@USD", "b@USD", 5, "x");
        let expires_at = chrono::DateTime::from_timestamp(9, 0).unwrap();
        let reserved =
            T::Reserved(Reservation { leg: leg(), expires_at, reference: None, description: None });
        let posted = T::PendingPosted { leg: leg(), reserved: usd(5) };
        let [reserved, posted, voided] =
            [reserved, posted, T::Voided { leg: leg() }].map(|e| transaction(&e));
        assert_eq!(broken(&[reserved.clone(), posted.clone()]), []);
        assert_eq!(broken(&[reserved, posted, voided]), [("I4".into(), 3)]);
    }

    #[test]
    fn what_is_captured_is_posted_once_and_whole() {
        let capture = paid(&captured(500));
        let source = Some(capture.event_id);
        let of = |amount| {
            post(source, vec![leg("psp:gateway:clearing@USD", "order:x:unearned@USD", amount, "capture")])
        };
        let authorised = PaymentEvent::Authorised {
            order: OrderId::from_uuid(Uuid::from_u128(7)),
            attempt: AttemptId::from_uuid(Uuid::from_u128(8)),
            psp_ref: "ch_1".into(),
            amount: usd(500),
            valid_until: chrono::DateTime::from_timestamp(9, 0).unwrap(),
            capture: domain::finance::payment::CaptureMode::Auto,
        };
        let authorised = paid(&authorised);
        assert_eq!(broken(&[authorised.clone(), capture.clone(), of(500)]), []);
        assert_eq!(broken(&[authorised.clone(), capture.clone(), of(499)]), [("I10".into(), 3)]);
        assert_eq!(broken(&[authorised, capture.clone(), of(500), of(500)]), [("I10".into(), 4)]);
        assert_eq!(broken(&[of(500)]), [("I10".into(), 1)], "nothing was captured");
        assert_eq!(broken(&[capture]), [("I9".into(), 1)], "nothing was authorised");
    }
}
