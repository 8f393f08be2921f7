//! Bodies: read within a size and a time, and checked to be JSON.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use promptsales_engine::codec;
use promptsales_engine::journal::Json;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// The largest body, in bytes.
pub const LARGEST_BODY: usize = 1024 * 1024;
/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(15);

/// A body as text.
#[derive(Debug)]
pub struct TextBody(pub String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = tokio::time::timeout(BODY_PATIENCE, to_bytes(request.into_body(), LARGEST_BODY)).await;
        let late = |_| Problem::new(Code::BodyTimeout, format!("it has {} s", BODY_PATIENCE.as_secs()));
        let large = |_| Problem::new(Code::BodyTooLarge, format!("at most {LARGEST_BODY} bytes are taken"));
        let bytes = bytes.map_err(late)?.map_err(large)?;
        let text = String::from_utf8(bytes.into());
        text.map(Self).map_err(|e| Problem::new(Code::MalformedJson, format!("the body is not UTF-8: {e}")))
    }
}

/// A body that is a JSON object; no body counts as `{}`.
#[derive(Debug)]
pub struct JsonBody(pub Json);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let TextBody(mut text) = TextBody::from_request(request, state).await?;
        if text.trim_ascii().is_empty() {
            text = "{}".to_owned();
        }
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Problem::new(Code::MalformedJson, "the body has to be a JSON object"));
        }
        Json::from_text(text).map(Self).map_err(|e| Problem::new(Code::MalformedJson, e.to_string()))
    }
}

impl JsonBody {
    /// Reads the body into a type, naming the field that does not fit.
    ///
    /// # Errors
    ///
    /// A problem of the code `invalid_body`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        codec::read(self.0.text().as_bytes()).map_err(|e| Problem::new(Code::InvalidBody, e.message))
    }
}
