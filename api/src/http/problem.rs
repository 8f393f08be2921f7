//! Errors as `application/problem+json` (RFC 9457), each with a stable code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use promptsales_engine::entity::{Fault, Overload};
use promptsales_engine::journal::{self, Rejected, RejectionKind};
use serde::Serialize;
use serde_json::{Value, json};

use super::paging::cursor;

/// After how many seconds it is worth asking again for what is quarantined: a person has to release it first.
const QUARANTINE_RETRY: u32 = 60;

/// The stable codes of the edge. Rejections of entities bring their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The path leads nowhere.
    NoSuchRoute,
    /// The path is right and the method is not.
    MethodNotAllowed,
    /// What the path names does not exist.
    NotFound,
    /// The kind has no such command.
    UnknownCommand,
    /// An id in the path is not one.
    InvalidId,
    /// A query parameter or header cannot be used.
    InvalidParameter,
    /// The body is not JSON.
    MalformedJson,
    /// The body does not have the wanted shape.
    InvalidBody,
    /// The body is of a type that is not taken here.
    UnsupportedMediaType,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The workflow definition has errors.
    InvalidDefinition,
    /// Something still needs the version.
    VersionInUse,
    /// The idempotency key was used with another payload.
    IdempotencyKeyReused,
    /// Too much is waiting.
    Overloaded,
    /// The entity faults too often and is set aside.
    Quarantined,
    /// The store was restored and has not been released.
    Held,
    /// The store is not held.
    NotHeld,
    /// What is asked for is of before the time for which events are kept.
    HistoryTrimmed,
    /// The stream cannot go on behind the cursor.
    CursorGone,
    /// The node is ending.
    ShuttingDown,
    /// The journal cannot be used now.
    JournalUnavailable,
    /// The journal refuses the command for itself.
    RefusedByJournal,
    /// It is not known whether the command was carried out.
    OutcomeUnknown,
    /// The log has not come to the position of the consistency token.
    PositionNotReached,
    /// Another node owns what the request is for.
    NotOwner,
    /// The node stands by and owns nothing.
    Standby,
    /// A defect of this program.
    Internal,
}

impl Code {
    /// Every code, for the documentation.
    pub const ALL: &[Self] = &[
        Self::NoSuchRoute,
        Self::MethodNotAllowed,
        Self::NotFound,
        Self::UnknownCommand,
        Self::InvalidId,
        Self::InvalidParameter,
        Self::MalformedJson,
        Self::InvalidBody,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::InvalidDefinition,
        Self::VersionInUse,
        Self::IdempotencyKeyReused,
        Self::Overloaded,
        Self::Quarantined,
        Self::Held,
        Self::NotHeld,
        Self::HistoryTrimmed,
        Self::CursorGone,
        Self::ShuttingDown,
        Self::JournalUnavailable,
        Self::RefusedByJournal,
        Self::OutcomeUnknown,
        Self::PositionNotReached,
        Self::NotOwner,
        Self::Standby,
        Self::Internal,
    ];

    /// The wire form, the status, and the title.
    pub const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoSuchRoute => ("no_such_route", StatusCode::NOT_FOUND, "There is nothing at this path"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method")
            }
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "It does not exist"),
            Self::UnknownCommand => ("unknown_command", StatusCode::NOT_FOUND, "There is no such command"),
            Self::InvalidId => ("invalid_id", StatusCode::BAD_REQUEST, "The id cannot be used"),
            Self::InvalidParameter => {
                ("invalid_parameter", StatusCode::BAD_REQUEST, "A parameter or header cannot be used")
            }
            Self::MalformedJson => ("malformed_json", StatusCode::BAD_REQUEST, "The body is not JSON"),
            Self::InvalidBody => {
                ("invalid_body", StatusCode::UNPROCESSABLE_ENTITY, "The body does not have the wanted shape")
            }
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is of a type that is not taken here",
            ),
            Self::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::BodyTimeout => {
                ("body_timeout", StatusCode::REQUEST_TIMEOUT, "The body did not come in time")
            }
            Self::InvalidDefinition => {
                ("invalid_definition", StatusCode::UNPROCESSABLE_ENTITY, "The workflow definition has errors")
            }
            Self::VersionInUse => ("version_in_use", StatusCode::CONFLICT, "The version is still needed"),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was used with another payload",
            ),
            Self::Overloaded => ("overloaded", StatusCode::TOO_MANY_REQUESTS, "Too much is waiting"),
            Self::Quarantined => ("quarantined", StatusCode::SERVICE_UNAVAILABLE, "The entity is set aside"),
            Self::Held => {
                ("held", StatusCode::SERVICE_UNAVAILABLE, "The store was restored and has not been released")
            }
            Self::NotHeld => ("not_held", StatusCode::CONFLICT, "The store is not held"),
            Self::HistoryTrimmed => ("history_trimmed", StatusCode::GONE, "Its early events are not kept"),
            Self::CursorGone => {
                ("cursor_gone", StatusCode::GONE, "The stream cannot go on behind the cursor")
            }
            Self::ShuttingDown => ("shutting_down", StatusCode::SERVICE_UNAVAILABLE, "The node is ending"),
            Self::JournalUnavailable => {
                ("journal_unavailable", StatusCode::SERVICE_UNAVAILABLE, "The journal cannot be used now")
            }
            Self::RefusedByJournal => {
                ("refused_by_journal", StatusCode::UNPROCESSABLE_ENTITY, "The journal refuses the command")
            }
            Self::OutcomeUnknown => (
                "outcome_unknown",
                StatusCode::SERVICE_UNAVAILABLE,
                "It is not known whether the command was carried out",
            ),
            Self::PositionNotReached => (
                "position_not_reached",
                StatusCode::SERVICE_UNAVAILABLE,
                "The log has not come to the position of the consistency token",
            ),
            Self::NotOwner => {
                ("not_owner", StatusCode::MISDIRECTED_REQUEST, "Another node owns what the request is for")
            }
            Self::Standby => ("standby", StatusCode::SERVICE_UNAVAILABLE, "The node stands by"),
            Self::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong on our side")
            }
        }
    }
}

impl Problem {
    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What happened this time.
    pub fn detail(&self) -> &str {
        self.0.detail.as_deref().unwrap_or_default()
    }
}

/// The address of the node that owns what was asked for, for whoever handles the response further.
#[derive(Debug, Clone)]
pub struct OwnerAddress(pub String);

/// An error as it goes to the client.
#[derive(Debug, Clone)]
pub struct Problem(Box<Members>);

#[derive(Debug, Clone, Serialize)]
struct Members {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    errors: Value,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem of the edge, with what happened this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (name, status, title) = code.parts();
        let retry_after = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        };
        Self(Box::new(Members {
            kind: format!("urn:promptsales:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: name.to_owned(),
            detail: Some(detail.into()),
            reason: None,
            owner: None,
            errors: Value::Null,
            retry_after,
        }))
    }

    /// The same with a list of what is wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Value) -> Self {
        self.0.errors = errors;
        self
    }

    /// The same with the limit that was hit.
    #[must_use]
    pub fn with_reason(mut self, reason: Overload) -> Self {
        self.0.reason = Some(reason.name());
        self
    }

    /// The same with the address of the node that can do it.
    #[must_use]
    pub fn with_owner(mut self, owner: Option<String>) -> Self {
        self.0.owner = owner;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (retry_after, owner) = (self.0.retry_after, self.0.owner.clone());
        let mut response = (status, Json(self.0)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(owner) = owner {
            response.extensions_mut().insert(OwnerAddress(owner));
        }
        response
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        let (status, title) = match rejected.kind {
            RejectionKind::NotFound => (StatusCode::NOT_FOUND, "It does not exist"),
            RejectionKind::Conflict => (StatusCode::CONFLICT, "The command was rejected"),
            RejectionKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "The command cannot be understood"),
            RejectionKind::DeadLettered => (StatusCode::INTERNAL_SERVER_ERROR, "The command was set aside"),
        };
        Self(Box::new(Members {
            kind: format!("urn:promptsales:problem:{}", rejected.code),
            title: title.to_owned(),
            status: status.as_u16(),
            code: rejected.code.into_owned(),
            detail: Some(rejected.message),
            reason: None,
            owner: None,
            errors: rejected.detail.value(),
            retry_after: None,
        }))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let code = match &fault {
            Fault::Overloaded { .. } => Code::Overloaded,
            Fault::Quarantined { .. } => Code::Quarantined,
            Fault::KeyReused => Code::IdempotencyKeyReused,
            Fault::Held => Code::Held,
            Fault::Trimmed { .. } => Code::HistoryTrimmed,
            Fault::ShuttingDown => Code::ShuttingDown,
            Fault::Unavailable { .. } => Code::JournalUnavailable,
            Fault::Refused { .. } => Code::RefusedByJournal,
            Fault::NotOwner { .. } => Code::NotOwner,
            Fault::Unknown => Code::OutcomeUnknown,
        };
        let problem = Self::new(code, fault.to_string());
        match fault {
            Fault::NotOwner { address } => problem.with_owner(address),
            Fault::Trimmed { seq, at } => {
                let next = cursor(seq.saturating_sub(1));
                problem.with_errors(json!({ "seq": seq, "horizon": at, "next": next }))
            }
            Fault::Quarantined { stream, cause, since } => {
                let id = stream.id;
                let what_to_do = format!(
                    "nothing was done; look at /api/v1/quarantine/{id}, mend what is wrong, and release it there"
                );
                let mut problem = Self::new(code, format!("`{id}` is quarantined: {cause}; {what_to_do}"));
                problem.0.retry_after = Some(QUARANTINE_RETRY);
                problem.with_errors(json!({ "id": id, "since": since, "cause": cause }))
            }
            Fault::Overloaded { reason, retry_after } => {
                let mut problem = problem.with_reason(reason);
                problem.0.retry_after = Some(u32::try_from(retry_after.as_secs()).unwrap_or(1).max(1));
                problem
            }
            Fault::KeyReused => problem,
            Fault::ShuttingDown | Fault::Unavailable { .. } | Fault::Refused { .. } => problem,
            Fault::Held | Fault::Unknown => problem,
        }
    }
}

impl From<journal::Error> for Problem {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::Trimmed { seq, at, .. } => Fault::Trimmed { seq, at }.into(),
            other => Self::new(Code::JournalUnavailable, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|c| c.parts().0).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
