//! Parameters of the path and the query; one that cannot be read is a problem like any other.

use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// The parameters of a path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// The parameters of a query; others are left alone.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = extract::Path::from_request_parts(parts, state).await;
        read.map(|read| Self(read.0)).map_err(|e| Problem::new(Code::InvalidId, e.body_text()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = extract::Query::from_request_parts(parts, state).await;
        read.map(|read| Self(read.0)).map_err(|e| Problem::new(Code::InvalidParameter, e.body_text()))
    }
}
