//! `read` and `send`: one request as the workflow says it.

use promptsales_engine::effect::CallError;
use serde_json::Value;

use super::auth::Scheme;
use super::exchange::Ask;
use super::failure::{Repeat, bad_request, done_perhaps};
use super::request::{
    Endpoint, Output, add_body, add_defaults, add_headers, add_query, given, map, method, output, redirects,
    required, text,
};
use super::trip::{Redirects, Trip};

/// A request as the workflow wants it, with what is wanted of the answer.
pub(super) struct Wanted {
    pub(super) ask: Ask,
    pub(super) scheme: Option<Scheme>,
    pub(super) repeat: Repeat,
    pub(super) redirects: Redirects,
    pub(super) output: Output,
}

/// Carries `read` or `send` out: what it was called as says whether a repeat is harmless.
pub(super) async fn call(trip: &Trip<'_>, request: &Value, repeat: Repeat) -> Result<Value, CallError> {
    let (method, of_method) = method(text(request, "method")?)?;
    if repeat == Repeat::Harmless && of_method == Repeat::Harmful {
        return Err(bad_request(format!("{method} is not for `read`: each one may do something more")));
    }
    let Endpoint { mut url, scheme } = Endpoint::read(required(request, "endpoint")?, trip)?;
    if let Some(query) = map(request, "query")? {
        add_query(&mut url, query);
    }
    let mut ask = Ask::new(method, url);
    add_headers(&mut ask, trip, request)?;
    if let Some(body) = given(request, "body") {
        add_body(&mut ask, body)?;
    }
    let (redirects, output) = (redirects(request)?, output(request)?);
    carry_out(trip, Wanted { ask, scheme, repeat, redirects, output }).await
}

/// Sends what is wanted, and makes of the answer what is wanted of it.
pub(super) async fn carry_out(trip: &Trip<'_>, mut wanted: Wanted) -> Result<Value, CallError> {
    add_defaults(&mut wanted.ask.headers, trip.key, wanted.repeat);
    let method = wanted.ask.method.clone();
    let repeat = wanted.repeat;
    let (sent, answer) = trip.send(wanted.ask, wanted.scheme.as_ref(), wanted.redirects, repeat).await?;
    let is_accepted = match wanted.redirects {
        Redirects::Followed => (200..400).contains(&answer.status.as_u16()),
        Redirects::Errors => answer.status.is_success(),
    };
    if !is_accepted {
        let error = answer.error(trip, repeat);
        return Err(if sent.method == method { error } else { done_perhaps(error, repeat) });
    }
    let read = match wanted.output {
        Output::Raw => Ok(answer.raw(trip)),
        Output::Content => answer.content(trip),
        Output::Response => answer.response(&sent, trip),
    };
    read.map_err(|error| done_perhaps(error, repeat))
}
