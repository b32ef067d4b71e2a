//! All integration tests, as one binary.

mod architecture;
mod capability;
mod cli;
mod commerce;
mod finance {
    mod books;
    mod invariants;
    mod ledger;
    mod lives;
    mod payment;
    mod refund;
    mod stripe;
    mod stripe_mock;
    mod transfer;
}
mod http;
mod identity {
    mod access;
    mod auth;
    mod browser;
    mod erasure;
    mod invitations;
    mod keys;
    mod members;
    mod party;
    mod people;
    mod profile;
    mod tenancy;
    mod two_factor;
    mod vault;
    mod workspaces;
}
mod intelligence {
    mod dashboard;
}
mod promises {
    mod behind;
    mod blame;
    mod caches;
    mod crash;
    mod enumeration;
    mod erasure;
    mod forgotten;
    mod freshness;
    mod hostile_stripe;
    mod hot;
    mod idempotency;
    mod import;
    mod oversell;
    mod people;
    mod poison;
    mod positions;
    mod projections;
    mod rebuild;
    mod relay;
    mod standstill;
    mod sums;
    mod versions;
    mod views_from_kafka;
}
mod migrations;
mod rebuild;
mod specimen;
mod store;
