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
/// The deepest nesting of a body; what is deeper could be kept, and not be read again.
const DEEPEST_BODY: usize = 64;
/// How long a body may take to come, where nothing else is said.
const BODY_PATIENCE: BodyPatience = BodyPatience(Duration::from_secs(15));

/// How long the body of a request may take to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyPatience(pub(super) Duration);

/// A body as text.
#[derive(Debug)]
pub struct TextBody(pub String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let BodyPatience(patience) = request.extensions().get().copied().unwrap_or(BODY_PATIENCE);
        let bytes = tokio::time::timeout(patience, to_bytes(request.into_body(), LARGEST_BODY)).await;
        let late = |_| Problem::new(Code::BodyTimeout, format!("it has {patience:?}"));
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
        if depth(&text) > DEEPEST_BODY {
            let detail = format!("the body is nested deeper than {DEEPEST_BODY} levels");
            return Err(Problem::new(Code::MalformedJson, detail));
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

/// How deep a JSON text is nested, without reading it as JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        assert_eq!(depth(r#"{"a":[1,{"b":"[[[\"[["}]}"#), 3);
        assert_eq!(depth("7"), 0);
        assert_eq!(depth(&"[".repeat(100_000)), 100_000);
    }
}
