//! Plans: what the n-th customer does, and how it goes on; all of it follows from the seed.

use domain::ids::CustomerId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::shop::WARES;

/// How many customers the shop has; some come often.
const CUSTOMERS: f64 = 400.0;

/// What a customer orders, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub number: u64,
    pub customer: CustomerId,
    pub currency: &'static str,
    pub lines: Vec<PlannedLine>,
    /// In minor units.
    pub discount: Option<i64>,
    pub shipping: (&'static str, i64),
    pub tax: i64,
    /// The token of the payment method.
    pub method: &'static str,
    /// What is tried when that is declined; none: then the customer leaves.
    pub other_method: Option<&'static str>,
    pub fate: Fate,
    /// The carrier says so before anybody marks the parcel as shipped.
    pub carrier_is_early: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlannedLine {
    pub sku: String,
    pub quantity: u32,
}

/// How far an order comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The customer thinks better of it at once.
    CancelledAtOnce,
    /// The customer thinks better of it once it is paid.
    CancelledLater,
    /// It waits to be packed.
    Confirmed,
    /// It waits for the carrier.
    Packed,
    /// It is on its way.
    Shipped,
    Delivered,
    /// Without one of its lines, which was cancelled.
    DeliveredInPart,
    /// And something of it comes back.
    Returned,
}

/// The n-th customer's plan.
pub fn of(seed: u64, number: u64) -> Plan {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
    let euro = rng.random_bool(0.3);
    let (mut lines, mut net) = (Vec::new(), 0);
    for _ in 0..pick(&mut rng, &[(1, 55), (2, 25), (3, 12), (4, 8)]) {
        // What stands first sells best.
        let ware = &WARES[skewed(&mut rng, WARES.len() as f64)];
        let sku = ware.sku(rng.random_range(0..ware.forms.len()));
        let quantity = pick(&mut rng, &[(1, 70), (2, 18), (3, 8), (5, 4)]);
        if lines.iter().all(|line: &PlannedLine| line.sku != sku) {
            net += i64::from(quantity) * if euro { ware.cents * 9 / 10 } else { ware.cents };
            lines.push(PlannedLine { sku, quantity });
        }
    }
    let discount = rng.random_bool(0.2).then_some(net / 10).filter(|&off| off > 0);
    let shipping = match net {
        10_000.. => ("free", 0),
        _ if rng.random_bool(0.2) => ("express", 1290),
        _ => ("standard", 490),
    };
    let tax = (net - discount.unwrap_or(0)) * if euro { 19 } else { 8 } / 100;
    let method = pick(
        &mut rng,
        &[
            ("ok", 90),
            ("decline_soft", 4),
            ("decline_hard", 3),
            ("fraud", 1),
            ("capture_fails", 1),
            ("ok", 1),
        ],
    );
    let fate = pick(
        &mut rng,
        &[
            (Fate::CancelledAtOnce, 4),
            (Fate::CancelledLater, 4),
            (Fate::Confirmed, 8),
            (Fate::Packed, 6),
            (Fate::Shipped, 12),
            (Fate::Delivered, 52),
            (Fate::DeliveredInPart, 5),
            (Fate::Returned, 9),
        ],
    );
    let customer = format!("simulation/{seed}/{}", skewed(&mut rng, CUSTOMERS));
    Plan {
        number,
        customer: CustomerId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_URL, customer.as_bytes())),
        currency: if euro { "EUR" } else { "USD" },
        lines,
        discount,
        shipping,
        tax,
        method,
        other_method: rng.random_bool(0.6).then_some("ok"),
        fate,
        carrier_is_early: rng.random_bool(0.015),
    }
}

/// One of several, by weight.
fn pick<T: Copy>(rng: &mut StdRng, of: &[(T, u32)]) -> T {
    let mut at = rng.random_range(0..of.iter().map(|(_, weight)| weight).sum());
    for &(one, weight) in of {
        if at < weight {
            return one;
        }
        at -= weight;
    }
    of[0].0
}

/// A number below `below`: the smaller, the more often.
fn skewed(rng: &mut StdRng, below: f64) -> usize {
    let at: f64 = rng.random();
    (at * at * below) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_from_the_seed_alone() {
        assert_eq!(of(7, 41), of(7, 41));
        assert_ne!(of(7, 41), of(8, 41));
        assert_ne!(of(7, 41), of(7, 42));
    }

    #[test]
    fn there_is_some_of_everything() {
        let plans: Vec<Plan> = (0..1_000).map(|n| of(1, n)).collect();
        let some =
            |what: fn(&Plan) -> bool| (20..980).contains(&plans.iter().filter(|plan| what(plan)).count());
        assert!(some(|plan| plan.currency == "EUR"));
        assert!(some(|plan| plan.lines.len() > 1));
        assert!(some(|plan| plan.discount.is_some()));
        assert!(some(|plan| plan.method != "ok"));
        assert!(some(|plan| plan.fate == Fate::Returned));
        assert!(some(|plan| plan.fate == Fate::CancelledLater));
        let customers: std::collections::BTreeSet<_> = plans.iter().map(|plan| plan.customer).collect();
        assert!(
            (100..400).contains(&customers.len()),
            "{} customers, some of them regulars",
            customers.len()
        );
        assert!(plans.iter().all(|plan| !plan.lines.is_empty()));
    }
}
