//! Placing: customer and seller agree on lines and totals; from here the order can expire.

use chrono::{DateTime, Utc};

use super::refusal::optional;
use super::{
    Contents, Order, OrderEvent as E, OrderRefusal as No, Phase, Placed, Placing, Settlement, Submission,
};
use crate::ids::{CartId, CustomerId};

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn place(&self, placing: &Placing) -> Decided {
        match (self.phase, self.customer, &self.contents) {
            (None, ..) => Err(No::Unknown),
            (Some(Phase::Draft), Some(customer), Some(contents)) => {
                agree((customer, self.reference.clone(), None), contents, placing)
            }
            _ => self.placed_already(placing.totals_hash.as_deref()),
        }
    }

    pub(super) fn submit(&self, submission: Submission) -> Decided {
        let Submission { customer, reference, cart, contents, placing } = submission;
        optional("the reference", reference.as_deref(), 200)?;
        if self.phase.is_none() {
            return agree((customer, reference, cart), &contents, &placing);
        }
        if self.customer != Some(customer) {
            return Err(No::AlreadyCreated);
        }
        let ours = contents.terms()?.totals_hash;
        self.placed_already(Some(&ours))
    }

    fn placed_already(&self, totals_hash: Option<&str>) -> Decided {
        match (self.phase, &self.agreed) {
            (Some(Phase::Draft), _) => Err(No::AlreadyCreated),
            (Some(Phase::Cancelled), _) => Err(No::Cancelled),
            (Some(Phase::Expired), _) => Err(No::Expired),
            (_, Some(agreed)) if totals_hash.is_none_or(|hash| hash == agreed.terms.totals_hash) => {
                Ok(vec![])
            }
            _ => Err(No::AlreadyPlaced),
        }
    }

    /// It keeps the number it got first.
    pub(super) fn number(&self, number: String) -> Decided {
        let (_, agreed) = self.agreed()?;
        if agreed.number.is_some() { Ok(vec![]) } else { Ok(vec![E::Numbered { number }]) }
    }

    pub(super) fn expire(&self, at: DateTime<Utc>) -> Decided {
        let (phase, agreed) = self.agreed()?;
        match (phase, agreed.expires_at) {
            (Phase::Expired, _) => Ok(vec![]),
            (Phase::Cancelled, _) => Err(No::Cancelled),
            (Phase::Placed, Some(expires_at)) if at >= expires_at => {
                // Paid in time, it is only waiting to be confirmed.
                if agreed.is_paid() && !agreed.due().is_zero() {
                    return Err(No::AlreadyPaid);
                }
                let (refund, released) = agreed.undone();
                Ok(vec![E::Expired { refund, shares: agreed.shares(refund), released, cart: agreed.cart }])
            }
            (Phase::Placed, _) => Err(No::NotDue),
            _ => Err(No::AlreadyConfirmed),
        }
    }
}

fn agree(
    (customer, reference, cart): (CustomerId, Option<String>, Option<CartId>),
    contents: &Contents,
    placing: &Placing,
) -> Decided {
    let terms = contents.terms()?;
    if placing.totals_hash.as_ref().is_some_and(|theirs| *theirs != terms.totals_hash) {
        return Err(No::TotalsChanged(terms.totals_hash));
    }
    if placing.expires_at.is_some_and(|expires_at| expires_at <= placing.at) {
        return Err(No::ExpiresTooEarly);
    }
    if placing.settlement == Settlement::Checkout
        && placing.payment_method.is_none()
        && !terms.total.is_zero()
    {
        return Err(No::PaymentMethodRequired);
    }
    optional("the payment method", placing.payment_method.as_deref(), 64)?;
    Ok(vec![E::Placed(Box::new(Placed {
        customer,
        reference,
        cart,
        settlement: placing.settlement,
        payment_method: placing.payment_method.clone(),
        expires_at: placing.expires_at,
        number_prefix: placing.number_prefix.clone(),
        terms,
    }))])
}

impl super::state::Agreed {
    /// What is to be given back when the whole order comes to nothing. A checkout at work gives back what it
    /// took by itself.
    pub(super) fn undone(&self) -> (crate::money::Money, Vec<super::ReservedUnits>) {
        match (self.settlement, self.basis) {
            (Settlement::Checkout, None) => (self.nothing(), vec![]),
            // Its checkout only sets goods aside.
            (Settlement::CreditTerms, None) => (self.balance().held, vec![]),
            _ => (self.balance().held, self.release_all()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{OrderCommand as C, OrderEvent};
    use super::*;
    use crate::kernel::given;
    use crate::money::Currency;

    fn draft() -> [OrderEvent; 3] {
        [draft_created(), E::LineAdded(tea()), E::LineAdded(cup())]
    }

    fn hash() -> String {
        two_lines().terms().unwrap().totals_hash
    }

    #[test]
    fn a_draft_is_placed_with_all_it_comes_to() {
        let place = C::Place(Placing { totals_hash: Some(hash()), ..placing() });
        assert_eq!(given::<Order>(draft()).when(place), Ok(vec![placed()]));
    }

    #[test]
    fn a_whole_order_is_one_event() {
        let order = given::<Order>([]);
        assert_eq!(order.when(C::Submit(Box::new(submission()))), Ok(vec![placed()]));
        assert_eq!(order.and(C::Submit(Box::new(submission()))).0, given::<Order>([placed()]).0);
    }

    #[test]
    fn placed_from_a_draft_or_at_once_it_is_the_same_order() {
        let drafted = given::<Order>(draft()).and(C::Place(placing())).0;
        assert_eq!(drafted, given::<Order>([placed()]).0);
    }

    #[test]
    fn an_empty_draft_cannot_be_placed() {
        assert_eq!(given::<Order>([draft_created()]).when(C::Place(placing())), Err(No::Empty));
        assert_eq!(given::<Order>([]).when(C::Place(placing())), Err(No::Unknown));
    }

    #[test]
    fn totals_the_customer_did_not_see_are_not_placed() {
        let stale = Placing { totals_hash: Some("0".repeat(64)), ..placing() };
        assert_eq!(given::<Order>(draft()).when(C::Place(stale)), Err(No::TotalsChanged(hash())));
    }

    #[test]
    fn it_does_not_expire_before_it_begins() {
        let early = Placing { expires_at: Some(at(0)), ..placing() };
        assert_eq!(given::<Order>(draft()).when(C::Place(early)), Err(No::ExpiresTooEarly));
    }

    #[test]
    fn placing_again_changes_nothing_unless_it_is_another_order() {
        let order = given::<Order>([placed()]);
        assert_eq!(order.when(C::Place(placing())), Ok(vec![]));
        assert_eq!(order.when(C::Submit(Box::new(submission()))), Ok(vec![]));
        let other = Placing { totals_hash: Some("0".repeat(64)), ..placing() };
        assert_eq!(order.when(C::Place(other)), Err(No::AlreadyPlaced));
        let more = Contents { tax: Some(usd(1)), ..two_lines() };
        let submit = |submission| C::Submit(Box::new(submission));
        assert_eq!(order.when(submit(Submission { contents: more, ..submission() })), Err(No::AlreadyPlaced));
        let theirs = Submission { customer: other_customer(), ..submission() };
        assert_eq!(order.when(submit(theirs)), Err(No::AlreadyCreated));
        let drafted = given::<Order>(draft());
        assert_eq!(drafted.when(submit(submission())), Err(No::AlreadyCreated));
        let expired = given::<Order>([placed(), expired()]);
        assert_eq!(expired.when(C::Place(placing())), Err(No::Expired));
    }

    #[test]
    fn expires_at_its_time_if_nobody_paid() {
        let order = given::<Order>([placed()]);
        assert_eq!(order.when(C::Expire { at: at(99) }), Err(No::NotDue));
        assert_eq!(order.when(C::Expire { at: at(100) }), Ok(vec![expired()]));
        assert_eq!(order.and(C::Expire { at: at(100) }).when(C::Expire { at: at(101) }), Ok(vec![]));
        assert_eq!(
            given::<Order>([placed(), paid(4000)]).when(C::Expire { at: at(100) }),
            Err(No::AlreadyPaid)
        );
        assert_eq!(given::<Order>([recorded()]).when(C::Expire { at: at(100) }), Err(No::NotDue));
        assert_eq!(given::<Order>(confirmed()).when(C::Expire { at: at(100) }), Err(No::AlreadyConfirmed));
        assert_eq!(given::<Order>(draft()).when(C::Expire { at: at(100) }), Err(No::NotPlaced));
    }

    #[test]
    fn is_numbered_once_it_is_placed_and_once_only() {
        let number = |n: &str| C::Number { number: n.into() };
        assert_eq!(given::<Order>(draft()).when(number("W-1")), Err(No::NotPlaced));
        let order = given::<Order>([placed(), expired()]);
        assert_eq!(order.when(number("W-1")), Ok(vec![E::Numbered { number: "W-1".into() }]));
        assert_eq!(order.and(number("W-1")).when(number("W-2")), Ok(vec![]));
    }

    #[test]
    fn an_amount_beyond_reckoning_is_refused() {
        let mut contents = Contents::new(Currency::USD);
        contents.lines = vec![item(1, "A", 1, i64::MAX), item(2, "B", 1, 1)];
        let submit = C::Submit(Box::new(Submission { contents, ..submission() }));
        assert_eq!(given::<Order>([]).when(submit), Err(No::AmountOutOfRange));
    }
}
