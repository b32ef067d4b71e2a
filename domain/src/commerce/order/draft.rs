//! Drafting: lines, discount, shipping and tax, until the order is placed; and again while it is edited.
//!
//! A line's tax follows its quantity, unless another is given. What an edit takes off an agreed line takes its share
//! of the order's discount along: so the order comes to the same as if those units were cancelled.

use super::contents::{MOST_LINES, price, quantity as check_quantity};
use super::refusal::optional;
use super::{Contents, Discount, Item, Line, Order, OrderEvent as E, OrderRefusal as No, Phase, Shipping};
use crate::ids::{CustomerId, LineId};
use crate::money::{Currency, Money};

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn create(
        &self,
        customer: CustomerId,
        currency: Currency,
        reference: Option<String>,
    ) -> Decided {
        optional("the reference", reference.as_deref(), 200)?;
        match (self.phase, self.customer, &self.contents) {
            (None, ..) => Ok(vec![E::DraftCreated { customer, currency, reference }]),
            (Some(Phase::Draft), Some(whose), Some(contents))
                if whose == customer && contents.currency == currency && self.reference == reference =>
            {
                Ok(vec![])
            }
            _ => Err(No::AlreadyCreated),
        }
    }

    pub(super) fn add_line(&self, item: Item) -> Decided {
        let contents = self.open()?;
        item.check(contents.currency)?;
        let agreed = self.agreed.as_ref().is_some_and(|agreed| agreed.counters.contains_key(&item.line));
        match contents.line(item.line) {
            Some(there) if *there == item => Ok(vec![]),
            Some(_) => Err(No::LineExists(item.line)),
            None if agreed => Err(No::LineExists(item.line)),
            None if contents.lines.len() >= MOST_LINES => Err(No::TooManyLines(MOST_LINES)),
            None => Ok(vec![E::LineAdded(item)]),
        }
    }

    pub(super) fn set_quantity(
        &self,
        line: LineId,
        quantity: u32,
        total: Option<Money>,
        tax: Option<Money>,
    ) -> Decided {
        let contents = self.open()?;
        check_quantity(quantity)?;
        let there = contents.line(line).ok_or(No::UnknownLine(line))?;
        let total = match (total, there.unit_price) {
            (Some(total), _) => total,
            (None, Some(unit_price)) => unit_price.times(i64::from(quantity))?,
            (None, None) => return Err(No::TotalMissing),
        };
        let tax = match tax {
            None if quantity == there.quantity => there.tax,
            None => self.tax_of(there, quantity)?,
            given => given,
        };
        let item = Item { quantity, total, tax, ..there.clone() };
        item.check(contents.currency)?;
        if item == *there {
            return Ok(vec![]);
        }
        let set = E::QuantitySet { line, quantity, total, tax: item.tax };
        self.with_its_discount(set, line, u64::from(quantity))
    }

    pub(super) fn remove_line(&self, line: LineId) -> Decided {
        match self.open()?.line(line) {
            Some(_) => self.with_its_discount(E::LineRemoved { line }, line, 0),
            None => Err(No::UnknownLine(line)),
        }
    }

    /// A line as it was agreed, if it was.
    fn agreed_line(&self, line: LineId) -> Option<&Line> {
        let agreed = self.agreed.as_ref()?;
        agreed.terms.lines.iter().find(|of| of.line == line)
    }

    /// The tax of a line at another quantity: from what was agreed, so that it matters not by which steps it comes
    /// there, unless another tax was given since.
    fn tax_of(&self, there: &Item, quantity: u32) -> Result<Option<Money>, No> {
        let Some(tax) = there.tax else { return Ok(None) };
        if let Some(line) = self.agreed_line(there.line)
            && line.tax_at(there.quantity)? == tax
        {
            return Ok(Some(line.tax_at(quantity)?));
        }
        Ok(Some(tax.share(i64::from(quantity), i64::from(there.quantity))?))
    }

    /// The change of a line, and what it takes off the order's discount or gives back to it.
    fn with_its_discount(&self, change: E, line: LineId, quantity: u64) -> Decided {
        let (contents, agreed) = (self.open()?, self.agreed_line(line));
        let (Some(agreed), Some(discount)) = (agreed, &contents.discount) else { return Ok(vec![change]) };
        let before = contents.line(line).map_or(0, |there| u64::from(there.quantity));
        let gone = agreed.discount_gone(quantity)?.minus(agreed.discount_gone(before)?)?;
        if gone.is_zero() {
            return Ok(vec![change]);
        }
        let left = discount.amount.minus(gone)?;
        let amount = Money { amount: left.amount.max(0), ..left };
        Ok(vec![change, E::DiscountApplied(Discount { amount, ..discount.clone() })])
    }

    pub(super) fn apply_discount(&self, discount: Discount) -> Decided {
        let contents = self.open()?;
        discount.check(contents.currency)?;
        if contents.discount.as_ref() == Some(&discount) {
            return Ok(vec![]);
        }
        Ok(vec![E::DiscountApplied(discount)])
    }

    pub(super) fn set_shipping(&self, shipping: Shipping) -> Decided {
        let contents = self.open()?;
        shipping.check(contents.currency)?;
        if contents.shipping.as_ref() == Some(&shipping) {
            return Ok(vec![]);
        }
        Ok(vec![E::ShippingSet(shipping)])
    }

    pub(super) fn set_tax(&self, line: Option<LineId>, amount: Money) -> Decided {
        let contents = self.open()?;
        price(amount, contents.currency)?;
        let before = match line {
            Some(line) => contents.line(line).ok_or(No::UnknownLine(line))?.tax,
            None => contents.tax,
        };
        if before == Some(amount) { Ok(vec![]) } else { Ok(vec![E::TaxSet { line, amount }]) }
    }

    /// The contents as long as they may be changed.
    fn open(&self) -> Result<&Contents, No> {
        match (self.phase, &self.contents) {
            (None, _) => Err(No::Unknown),
            (Some(_), Some(_)) if self.settling.is_some() => Err(No::EditSettling),
            (Some(_), Some(contents)) => Ok(contents),
            (Some(Phase::Cancelled), None) => Err(No::Cancelled),
            (Some(Phase::Expired), None) => Err(No::Expired),
            (Some(_), None) => Err(No::NotOpen),
        }
    }
}

impl Line {
    /// Its tax at another quantity: what is left of it, or more in proportion.
    fn tax_at(&self, quantity: u32) -> Result<Money, No> {
        let (all, quantity) = (i64::from(self.quantity), i64::from(quantity));
        if quantity > all {
            return Ok(self.tax.share(quantity, all)?);
        }
        Ok(self.tax.minus(self.tax.share(all - quantity, all)?)?)
    }

    /// What of its share of the discount is gone when so many units are left: what makes the line's amount fall by
    /// exactly what cancelling the others gives back.
    fn discount_gone(&self, left: u64) -> Result<Money, No> {
        let all = i64::from(self.quantity);
        let gone = i64::try_from(left).map_or(0, |left| (all - left).max(0));
        let part = |money: Money| money.share(gone, all);
        let gone = part(self.total)?.plus(part(self.tax)?)?.minus(part(self.amount)?)?;
        // Where the total does not divide, rounding may say less than nothing.
        Ok(Money { amount: gone.amount.max(0), ..gone })
    }
}

impl Contents {
    /// Takes in an event of a draft or of an open edit; any other changes nothing.
    pub fn take_in(&mut self, event: E) {
        match event {
            E::LineAdded(item) => self.lines.push(item),
            E::QuantitySet { line, quantity, total, tax } => {
                if let Some(item) = self.line_mut(line) {
                    (item.quantity, item.total, item.tax) = (quantity, total, tax);
                }
            }
            E::LineRemoved { line } => self.lines.retain(|item| item.line != line),
            E::DiscountApplied(discount) => self.discount = Some(discount),
            E::ShippingSet(shipping) => self.shipping = Some(shipping),
            E::TaxSet { line: Some(line), amount } => {
                if let Some(item) = self.line_mut(line) {
                    item.tax = Some(amount);
                }
            }
            E::TaxSet { line: None, amount } => self.tax = Some(amount),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{CancelReason, OrderCommand as C};
    use super::*;
    use crate::kernel::given;

    #[test]
    fn begins_as_a_draft_of_a_customer() {
        let create = |reference: Option<&str>| C::CreateDraft {
            customer: customer(),
            currency: Currency::USD,
            reference: reference.map(Into::into),
        };
        assert_eq!(given::<Order>([]).when(create(Some("PO-7"))), Ok(vec![draft_created()]));
        assert_eq!(given::<Order>([draft_created()]).when(create(Some("PO-7"))), Ok(vec![]));
        assert_eq!(given::<Order>([draft_created()]).when(create(Some("PO-8"))), Err(No::AlreadyCreated));
        assert_eq!(given::<Order>([]).when(create(Some("  "))), Err(No::Blank("the reference")));
        assert_eq!(given::<Order>([placed()]).when(create(None)), Err(No::AlreadyCreated));
    }

    #[test]
    fn there_is_no_order_before_its_draft() {
        let commands = [C::AddLine(tea()), C::Cancel { reason: CancelReason::Seller }, C::BeginEdit];
        for command in commands {
            assert_eq!(given::<Order>([]).when(command), Err(No::Unknown));
        }
    }

    #[test]
    fn takes_each_line_once() {
        let draft = given::<Order>([draft_created(), E::LineAdded(tea())]);
        assert_eq!(draft.when(C::AddLine(cup())), Ok(vec![E::LineAdded(cup())]));
        assert_eq!(draft.when(C::AddLine(tea())), Ok(vec![]));
        let other = Item { title: "Other tea".into(), ..tea() };
        assert_eq!(draft.when(C::AddLine(other)), Err(No::LineExists(line_id(1))));
        let foreign = Item { total: eur(1000), unit_price: None, ..cup() };
        assert_eq!(draft.when(C::AddLine(foreign)), Err(No::OtherCurrency(Currency::USD)));
    }

    #[test]
    fn takes_two_hundred_lines_and_no_more() {
        let full = (0..200).map(|n| E::LineAdded(item(n, "A", 1, 1)));
        let draft = given::<Order>([draft_created()].into_iter().chain(full));
        assert_eq!(draft.when(C::AddLine(item(200, "A", 1, 1))), Err(No::TooManyLines(200)));
    }

    #[test]
    fn a_quantity_brings_its_total_from_the_unit_price_or_needs_one() {
        let draft = given::<Order>([draft_created(), E::LineAdded(tea()), E::LineAdded(cup())]);
        let set = |line, quantity, total, tax| C::SetQuantity { line, quantity, total, tax };
        assert_eq!(
            draft.when(set(line_id(1), 4, None, None)),
            Ok(vec![E::QuantitySet { line: line_id(1), quantity: 4, total: usd(4000), tax: None }])
        );
        assert_eq!(draft.when(set(line_id(1), 3, None, None)), Ok(vec![]));
        assert_eq!(draft.when(set(line_id(1), 4, Some(usd(1)), None)), Err(No::TotalMismatch));
        assert_eq!(draft.when(set(line_id(2), 2, None, None)), Err(No::TotalMissing));
        assert_eq!(
            draft.when(set(line_id(2), 2, Some(usd(1999)), Some(usd(9)))),
            Ok(vec![E::QuantitySet { line: line_id(2), quantity: 2, total: usd(1999), tax: Some(usd(9)) }])
        );
        assert_eq!(draft.when(set(line_id(2), 0, None, None)), Err(No::QuantityOutOfRange));
        assert_eq!(draft.when(set(line_id(9), 1, None, None)), Err(No::UnknownLine(line_id(9))));
    }

    #[test]
    fn a_line_is_removed_and_may_come_back() {
        let draft = given::<Order>([draft_created(), E::LineAdded(tea())]);
        let remove = C::RemoveLine { line: line_id(1) };
        assert_eq!(draft.when(remove.clone()), Ok(vec![E::LineRemoved { line: line_id(1) }]));
        let without = draft.and(remove.clone());
        assert_eq!(without.when(remove), Err(No::UnknownLine(line_id(1))));
        assert_eq!(without.when(C::AddLine(tea())), Ok(vec![E::LineAdded(tea())]));
    }

    #[test]
    fn discount_shipping_and_tax_are_given_amounts_and_the_last_one_holds() {
        let discount = Discount { code: Some("SPRING".into()), amount: usd(100) };
        let shipping = Shipping { method: Some("parcel".into()), amount: usd(500) };
        let all = [
            (C::ApplyDiscount(discount.clone()), E::DiscountApplied(discount)),
            (C::SetShipping(shipping.clone()), E::ShippingSet(shipping)),
            (C::SetTax { line: None, amount: usd(80) }, E::TaxSet { line: None, amount: usd(80) }),
            (
                C::SetTax { line: Some(line_id(1)), amount: usd(20) },
                E::TaxSet { line: Some(line_id(1)), amount: usd(20) },
            ),
        ];
        let mut draft = given::<Order>([draft_created(), E::LineAdded(tea())]);
        for (command, event) in all {
            assert_eq!(draft.when(command.clone()), Ok(vec![event]));
            draft = draft.and(command.clone());
            assert_eq!(draft.when(command), Ok(vec![]));
        }
        let terms = draft.0.totals().unwrap();
        assert_eq!((terms.discount, terms.shipping, terms.tax), (usd(100), usd(500), usd(100)));
        assert_eq!(terms.total, usd(3500));

        let nowhere = C::SetTax { line: Some(line_id(9)), amount: usd(1) };
        assert_eq!(draft.when(nowhere), Err(No::UnknownLine(line_id(9))));
        let negative = Discount { code: None, amount: usd(-1) };
        assert_eq!(draft.when(C::ApplyDiscount(negative)), Err(No::NegativeAmount));
    }

    #[test]
    fn nothing_changes_once_it_is_placed() {
        assert_eq!(given::<Order>([placed()]).when(C::AddLine(cup())), Err(No::NotOpen));
        assert_eq!(given::<Order>([placed(), expired()]).when(C::AddLine(cup())), Err(No::Expired));
    }
}
