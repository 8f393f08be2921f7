//! The edge of PromptSales: composition root, configuration, command line and HTTP.

pub mod app;
pub mod backup;
pub mod cli;
pub mod config;
mod folds;
pub mod http;
pub mod limits;
pub mod recorder;
pub mod routes;
mod shipped;
pub mod store;
pub mod stream;
