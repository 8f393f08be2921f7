//! How calls fail: what each kind means for a retry, and the words for it.

use hyper::Method;
use promptsales_engine::effect::CallError;

/// The most characters of an answer that an error message repeats.
const EXCERPT: usize = 200;

/// The most characters of an error message.
const MESSAGE: usize = 1000;

/// A no for good.
pub(super) fn refused(code: &'static str, message: impl Into<String>) -> CallError {
    CallError::Refused { code: code.into(), message: message.into() }
}

/// Provably not done.
pub(super) fn failed(code: &'static str, message: impl Into<String>) -> CallError {
    CallError::Failed { code: code.into(), message: message.into() }
}

/// Perhaps done.
pub(super) fn unknown(code: &'static str, message: impl Into<String>) -> CallError {
    CallError::Unknown { code: code.into(), message: message.into() }
}

/// A request that is not in its shape.
pub(super) fn bad_request(message: impl Into<String>) -> CallError {
    refused("bad_request", message)
}

/// An error of a step before the call itself: what was asked for has not been done, whatever became of the step.
pub(super) fn before(step: &str, error: CallError) -> CallError {
    let with_step = |message: String| format!("{step}: {message}");
    match error {
        CallError::Refused { code, message } => CallError::Refused { code, message: with_step(message) },
        CallError::Failed { code, message } | CallError::Unknown { code, message } => {
            CallError::Failed { code, message: with_step(message) }
        }
    }
}

/// An error that came after the service may have done what was asked for. A no stays one where a repeat is harmless:
/// it would only be got again.
pub(super) fn done_perhaps(error: CallError, repeat: Repeat) -> CallError {
    match (error, repeat) {
        (CallError::Failed { code, message }, _)
        | (CallError::Refused { code, message }, Repeat::Harmful) => CallError::Unknown { code, message },
        (other, _) => other,
    }
}

/// Whether a request can be repeated without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or the same thing again.
    Harmless,
    /// Each one may do something more.
    Harmful,
}

impl Repeat {
    /// What a method says of it (RFC 9110, 9.2.2).
    pub(super) fn of(method: &Method) -> Self {
        if method.is_idempotent() { Self::Harmless } else { Self::Harmful }
    }
}

/// The error that a status stands for.
pub(super) fn of_status(status: u16, repeat: Repeat, excerpt: &str) -> CallError {
    let code = format!("http_{status}").into();
    let message = match excerpt {
        "" => format!("the service answered {status}"),
        excerpt => format!("the service answered {status}: {excerpt}"),
    };
    match (status, repeat) {
        // They ask to come again. 502 and 504 are a gateway's, which does not know what became of the request.
        (408 | 425 | 429 | 503, _) | (500..=599, Repeat::Harmless) => CallError::Failed { code, message },
        (500..=599, Repeat::Harmful) => CallError::Unknown { code, message },
        _ => CallError::Refused { code, message },
    }
}

/// The error with its words changed.
pub(super) fn reworded(error: CallError, change: impl FnOnce(&str) -> String) -> CallError {
    match error {
        CallError::Refused { code, message } => CallError::Refused { code, message: change(&message) },
        CallError::Failed { code, message } => CallError::Failed { code, message: change(&message) },
        CallError::Unknown { code, message } => CallError::Unknown { code, message: change(&message) },
    }
}

/// The words of an error on one line, and not more of them than are read: documents and addresses may be long.
pub(super) fn shortened(message: &str) -> String {
    begin(message, MESSAGE)
}

/// The begin of a text, on one line.
pub(super) fn excerpt(text: &str) -> String {
    begin(text, EXCERPT)
}

fn begin(text: &str, most: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: &CallError) -> &'static str {
        match error {
            CallError::Refused { .. } => "refused",
            CallError::Failed { .. } => "failed",
            CallError::Unknown { .. } => "unknown",
        }
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let cases = [
            (302, "refused", "refused"),
            (400, "refused", "refused"),
            (401, "refused", "refused"),
            (404, "refused", "refused"),
            (408, "failed", "failed"),
            (409, "refused", "refused"),
            (425, "failed", "failed"),
            (429, "failed", "failed"),
            (500, "failed", "unknown"),
            (501, "failed", "unknown"),
            (502, "failed", "unknown"),
            (503, "failed", "failed"),
            (504, "failed", "unknown"),
            (599, "failed", "unknown"),
            (600, "refused", "refused"),
        ];
        for (status, read, send) in cases {
            assert_eq!(kind(&of_status(status, Repeat::Harmless, "")), read, "{status}");
            assert_eq!(kind(&of_status(status, Repeat::Harmful, "")), send, "{status}");
        }
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt(" a\n\u{1b}[31m  b\t"), "a [31m b");
        assert_eq!(excerpt(&"é".repeat(500)).chars().count(), EXCERPT + 3);
        assert_eq!(shortened(&"é".repeat(5000)).chars().count(), MESSAGE + 3);
    }

    #[test]
    fn what_fails_late_was_perhaps_done() {
        let cases = [
            (refused("a", "b"), "refused", "unknown"),
            (failed("a", "b"), "unknown", "unknown"),
            (unknown("a", "b"), "unknown", "unknown"),
        ];
        for (error, read, send) in cases {
            assert_eq!(kind(&done_perhaps(error.clone(), Repeat::Harmless)), read, "{error:?}");
            assert_eq!(kind(&done_perhaps(error.clone(), Repeat::Harmful)), send, "{error:?}");
        }
    }

    #[test]
    fn nothing_is_unknown_before_the_call() {
        let error = before("getting a token", unknown("timeout", "no answer"));
        assert!(
            matches!(error, CallError::Failed { message, .. } if message == "getting a token: no answer")
        );
    }
}
