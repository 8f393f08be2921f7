//! The marketing domain of PromptSales: campaigns, content jobs, leads, clients, subscriptions and budgets as pure,
//! synchronous state machines.
//!
//! Each entity decides what a command leads to and folds events into its state; the engine hosts, stores and
//! supervises it. Nothing here knows of time, randomness, storage or the network.

use promptsales_engine::entity::{Catalog, CatalogError};

pub mod budget;
pub mod campaign;
pub mod client;
pub mod content_job;
pub mod lead;
pub mod subscription;
pub mod value;

#[cfg(test)]
mod testkit;

/// Adds the product's entities to a catalog.
///
/// # Errors
///
/// [`CatalogError::Duplicate`] where a kind is in the catalog already.
pub fn register(catalog: Catalog) -> Result<Catalog, CatalogError> {
    let catalog =
        catalog.add::<campaign::Campaign>()?.add::<content_job::ContentJob>()?.add::<lead::Lead>()?;
    catalog.add::<client::Client>()?.add::<subscription::Subscription>()?.add::<budget::Budget>()
}
