//! Refusals under load, made once: under twice what a node can take most of its answers are these.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use promptsales_engine::entity::{Fault, Overload};

use super::problem::Problem;

/// An answer, ready to be sent.
type Made = (StatusCode, HeaderMap, Bytes);

/// The refusals so far, by their reason and the wait that they ask for.
#[derive(Default)]
pub(super) struct Refusals(RwLock<BTreeMap<(Overload, Duration), Made>>);

impl Refusals {
    /// The answer to a request that is not let in.
    pub(super) fn answer(&self, fault: Fault) -> Response {
        let Fault::Overloaded { reason, retry_after } = fault else {
            return Problem::from(fault).into_response();
        };
        let made = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&(reason, retry_after)).cloned();
        let (status, headers, body) = match made {
            Some(made) => made,
            None => {
                let response = Problem::from(fault).into_response();
                let (parts, mut body) = response.into_parts();
                let frame = std::future::poll_fn(|task| std::pin::Pin::new(&mut body).poll_frame(task));
                let data = frame.now_or_never().flatten().and_then(Result::ok);
                let data = data.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
                let made = (parts.status, parts.headers, data);
                let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
                all.insert((reason, retry_after), made.clone());
                made
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_the_problem_that_it_stands_for() {
        let refusals = Refusals::default();
        for (reason, seconds) in
            [(Overload::QueueAge, 1), (Overload::RequestsFull, 2), (Overload::QueueAge, 3)]
        {
            let fault = || Fault::Overloaded { reason, retry_after: Duration::from_secs(seconds) };
            for _ in 0..2 {
                let (one, other) = (refusals.answer(fault()), Problem::from(fault()).into_response());
                let ((one, body), (other, wanted)) = (one.into_parts(), other.into_parts());
                assert_eq!((one.status, one.headers), (other.status, other.headers));
                let [body, wanted] = [body, wanted].map(|body| axum::body::to_bytes(body, 10_000));
                assert_eq!(body.await.unwrap(), wanted.await.unwrap());
            }
        }
        assert_eq!(refusals.answer(Fault::ShuttingDown).status(), 503);
    }
}
