//! Connectors: the ways to the outside, one vendor or protocol each.
//!
//! Effects call a connector by its name. A new one is a file here and a line in [`with_http`].

use std::sync::Arc;

use promptsales_engine::effect::Connector;

pub mod http;
pub mod runs;
pub mod sandbox;

/// Every connector: those that one sandbox of the outside world plays, and the one that calls services over HTTP.
pub fn with_http(sandbox: Arc<sandbox::Sandbox>, http: http::HttpConnector) -> Vec<Arc<dyn Connector>> {
    let mut connectors = all(sandbox);
    connectors.push(Arc::new(http));
    connectors
}

/// The connectors that one sandbox of the outside world plays, which is all that the product's own workflows call.
pub fn all(sandbox: Arc<sandbox::Sandbox>) -> Vec<Arc<dyn Connector>> {
    vec![
        Arc::new(sandbox::Content::new(Arc::clone(&sandbox))),
        Arc::new(sandbox::Ads::new(Arc::clone(&sandbox))),
        Arc::new(sandbox::Tracking::new(sandbox)),
    ]
}
