//! HTTP: what every route shares.

pub mod acting;
pub mod body;
pub mod caller;
pub mod cloud_event;
pub mod endpoint;
pub mod middleware;
pub mod openapi;
pub mod paging;
pub mod params;
pub mod patience;
pub mod problem;
mod refusal;
pub mod server;
pub mod token;
