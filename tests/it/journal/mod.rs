//! The journal in PostgreSQL: the contract that every back end keeps, and what goes wrong with a real server.

mod conformance;
mod fixture;
mod lost;
mod outage;
mod ownership;
mod pooler;
mod restored;
mod safety;
