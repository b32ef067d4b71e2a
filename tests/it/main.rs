//! All integration tests, as one binary.

mod architecture;
mod cli;
mod commerce;
mod finance {
    mod payment;
    mod refund;
}
mod http;
mod intelligence {
    mod dashboard;
}
mod promises {
    mod freshness;
    mod idempotency;
    mod import;
    mod projections;
    mod relay;
}
mod rebuild;
mod store;
