//! Orders as they are asked for: one, or a page of a list.

use chrono::{DateTime, Utc};
use domain::commerce::order::{FulfilmentStatus, PaymentStatus, Phase};
use domain::ids::CustomerId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Orders;
use crate::reading::{Filter, Listing, Order, word};

/// Which orders a list is of, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderFilter {
    #[param(inline, nullable = false)]
    pub status: Option<Phase>,
    #[param(inline, nullable = false)]
    pub payment_status: Option<PaymentStatus>,
    #[param(inline, nullable = false)]
    pub fulfilment_status: Option<FulfilmentStatus>,
    #[param(inline, nullable = false)]
    pub customer_id: Option<CustomerId>,
    /// What people call it, in a shop that numbers its orders.
    #[param(nullable = false, min_length = 1, max_length = 40)]
    pub number: Option<String>,
    /// The seller's or the source's own number for it.
    #[param(nullable = false, min_length = 1, max_length = 200)]
    pub reference: Option<String>,
    /// Only those placed at this time or later.
    #[param(nullable = false)]
    pub from: Option<DateTime<Utc>>,
    /// Only those placed before this time.
    #[param(nullable = false)]
    pub to: Option<DateTime<Utc>>,
    /// The older name of `from`.
    #[param(nullable = false)]
    pub placed_from: Option<DateTime<Utc>>,
    /// The older name of `to`.
    #[param(nullable = false)]
    pub placed_to: Option<DateTime<Utc>>,
    /// What they are ordered by; backwards after `-`. The newest first if it is not said.
    #[param(inline)]
    #[serde(default)]
    pub sort: OrderSort,
}

/// What a list of orders is ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum OrderSort {
    #[default]
    #[serde(rename = "-created")]
    Newest,
    #[serde(rename = "created")]
    Oldest,
    /// By since when they hold, which of imported ones is long before they were recorded.
    #[serde(rename = "-effective")]
    Latest,
    #[serde(rename = "effective")]
    Earliest,
    /// By their total in minor units, of whatever currency.
    #[serde(rename = "-total")]
    Largest,
    #[serde(rename = "total")]
    Smallest,
}

impl Filter for OrderFilter {
    type Of = Orders;

    fn order(&self) -> Order {
        match self.sort {
            OrderSort::Newest => Order::by("created_at", "timestamptz").descending(),
            OrderSort::Oldest => Order::by("created_at", "timestamptz"),
            OrderSort::Latest => Order::by("effective_at", "timestamptz").descending(),
            OrderSort::Earliest => Order::by("effective_at", "timestamptz"),
            OrderSort::Largest => Order::by("amount", "bigint").descending(),
            OrderSort::Smallest => Order::by("amount", "bigint"),
        }
    }

    fn narrow(self, list: Listing<Orders>) -> Listing<Orders> {
        list.only("t.status = ", self.status.map(word), "")
            .only("t.payment_status = ", self.payment_status.map(word), "")
            .only("t.fulfilment_status = ", self.fulfilment_status.map(word), "")
            .only("t.customer_id = ", self.customer_id.map(String::from), "")
            .only("t.number = ", self.number, "")
            .only("t.reference = ", self.reference, "")
            .only("t.placed_at >= ", self.from, "")
            .only("t.placed_at < ", self.to, "")
            .only("t.placed_at >= ", self.placed_from, "")
            .only("t.placed_at < ", self.placed_to, "")
    }
}

/// The orders of some customers, the newest first.
#[derive(Debug, Clone, Serialize)]
pub struct OrdersOf {
    pub customers: Vec<CustomerId>,
}

impl Filter for OrdersOf {
    type Of = Orders;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Orders>) -> Listing<Orders> {
        let those: Vec<String> = self.customers.into_iter().map(String::from).collect();
        list.only("t.customer_id = any(", Some(those), "::text[])")
    }
}
