//! Consistency tokens: where in which log a write stands, so that a read can ask to see it.

use axum::http::HeaderValue;
use promptsales_engine::journal::{Info, Position};

use super::problem::{Code, Problem};

/// The header that carries the token.
pub const HEADER: &str = "x-consistency-token";

/// Writes the token of a position: log, history, position.
pub fn write(info: &Info, position: Position) -> HeaderValue {
    let text = format!("{}.{}.{position}", info.log.simple(), info.history.simple());
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Reads a token of this log and history.
///
/// # Errors
///
/// A problem of the code `invalid_parameter` for what is no token, or one of another log or history.
pub fn read(info: &Info, text: &str) -> Result<Position, Problem> {
    let wrong = |why: &str| Problem::new(Code::InvalidParameter, format!("`X-Consistency-Token` {why}"));
    let mut parts = text.split('.');
    let (log, history, position) = (parts.next(), parts.next(), parts.next());
    let position =
        position.and_then(|p| p.parse().ok()).ok_or_else(|| wrong("is not a token of this service"))?;
    if log != Some(&info.log.simple().to_string()) || history != Some(&info.history.simple().to_string()) {
        return Err(wrong("belongs to another log or history; read without it"));
    }
    Ok(position)
}
