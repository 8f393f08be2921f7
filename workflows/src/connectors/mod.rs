//! Connectors: the ways to the outside, one vendor or protocol each.
//!
//! Effects call a connector by its name. A new one is a file here and a line in [`all`].

use std::sync::Arc;

use promptsales_engine::effect::Connector;

pub mod http;
pub mod sandbox;

/// Every connector, all of them played by one sandbox of the outside world.
pub fn all(sandbox: Arc<sandbox::Sandbox>) -> Vec<Arc<dyn Connector>> {
    vec![
        Arc::new(sandbox::Content::new(Arc::clone(&sandbox))),
        Arc::new(sandbox::Ads::new(Arc::clone(&sandbox))),
        Arc::new(sandbox::Tracking::new(sandbox)),
    ]
}
