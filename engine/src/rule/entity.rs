//! A rule as an entity: a draft that is written, versions that are published, and whether it is at work.
//!
//! ```text
//!   (nothing) --draft--> draft --publish--> published --pause--> paused --resume--> published
//!     published, paused --draft--> the same, with a draft beside it --publish--> published, in its next version
//!     any --delete--> deleted
//! ```
//!
//! Events count from the moment at which it was published, or resumed: what happened before, or while it was paused,
//! does not. A version that takes the place of another weighs what happened under that one and was not weighed yet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{IdSecret, Prefix, StreamId, TenantId};
use crate::journal::RejectionKind;

/// The prefix of rules' ids.
pub const RULE: Prefix = Prefix::new("rule");

/// Versions that are kept with their texts; of older ones the number stays.
const KEPT: usize = 50;

/// The id that a rule of a tenant always has.
pub fn rule_id(secret: &IdSecret, tenant: &TenantId, name: &str) -> StreamId {
    secret.derive(RULE, None, "rule", &[tenant.as_str(), name])
}

/// Where a rule is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was never published.
    Draft,
    /// It is at work.
    Published,
    /// It is held.
    Paused,
    /// It is gone.
    Deleted,
}

/// A text that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    source: String,
    by: String,
    at: Timestamp,
}

/// A version that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// Its text.
    pub source: String,
    /// Who published it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What was done to a rule last, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    what: String,
    by: String,
    reason: Option<String>,
    at: Timestamp,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredRule {
    name: String,
    status: Status,
    draft: Option<Draft>,
    versions: Vec<Version>,
    /// Since when it is published, or was.
    since: Timestamp,
    /// When that ended.
    until: Option<Timestamp>,
    last: Option<Done>,
}

/// What a rule can be told to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Writes its next version; the text has been checked.
    Draft {
        /// Its name.
        name: String,
        /// The text.
        source: String,
    },
    /// Publishes the draft, or the version before, once more.
    Publish {
        /// The version; the draft if absent.
        #[serde(default)]
        version: Option<u32>,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Holds it: events that happen meanwhile do not count.
    Pause {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Lets it go on.
    Resume {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Takes it away.
    Delete {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
}

/// What can have happened to a rule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// Its next version was written.
    Drafted {
        /// Its name.
        name: String,
        /// The text.
        source: String,
        /// By whom.
        by: String,
    },
    /// A version was published.
    Published {
        /// Its number.
        number: u32,
        /// The text.
        source: String,
        /// By whom.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It was held.
    Paused(Acted),
    /// It goes on.
    Resumed(Acted),
    /// It was taken away.
    Deleted(Acted),
}

/// Who did something to a rule, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a rule can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no draft.
    #[error("there is nothing to publish: write a draft first, or name a `version`")]
    NoDraft,
    /// There is no such version, or its text is not kept any more.
    #[error("there is no version {number} with its text")]
    NoVersion {
        /// What was asked for.
        number: u32,
    },
    /// It is not at work.
    #[error("the rule is {}: only a published one can be paused", .status.name())]
    NotPublished {
        /// How it is.
        status: Status,
    },
    /// It is not held.
    #[error("the rule is {}: only a paused one can be resumed", .status.name())]
    NotPaused {
        /// How it is.
        status: Status,
    },
    /// It is gone.
    #[error("the rule was deleted: write a draft to begin it anew")]
    Deleted,
    /// It does not exist.
    #[error("there is no such rule")]
    Unknown,
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::NoDraft => "rule_without_draft",
            Self::NoVersion { .. } => "rule_version_unknown",
            Self::NotPublished { .. } => "rule_not_published",
            Self::NotPaused { .. } => "rule_not_paused",
            Self::Deleted => "rule_deleted",
            Self::Unknown => "not_found",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::Unknown => RejectionKind::NotFound,
            Self::NoDraft
            | Self::NoVersion { .. }
            | Self::NotPublished { .. }
            | Self::NotPaused { .. }
            | Self::Deleted => RejectionKind::Conflict,
        }
    }
}

impl Status {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Paused => "paused",
            Self::Deleted => "deleted",
        }
    }
}

impl Entity for RegisteredRule {
    const KIND: Kind = Kind { name: "rule", plural: "rules", prefix: RULE };
    const CREATE: &'static str = "draft";
    const EVENTS: &'static [(&'static str, u16)] =
        &[("drafted", 1), ("published", 1), ("paused", 1), ("resumed", 1), ("deleted", 1)];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Draft { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        let by = cx.principal.to_owned();
        let decision = match (command, state) {
            (Command::Draft { name, source }, state) => {
                let same = state.and_then(|state| state.draft.as_ref()).is_some_and(|d| d.source == source);
                if same { Decision::none() } else { Decision::event(Event::Drafted { name, source, by }) }
            }
            (_, None) => return Err(Rejection::Unknown),
            (_, Some(state)) if state.status == Status::Deleted => return Err(Rejection::Deleted),
            (Command::Publish { version, reason }, Some(state)) => {
                let source = state.to_publish(version)?;
                let number = state.versions.last().map_or(1, |last| last.number + 1);
                Decision::event(Event::Published { number, source, by, reason })
            }
            (Command::Pause { reason }, Some(state)) => match state.status {
                Status::Published => Decision::event(Event::Paused(Acted { by, reason })),
                Status::Paused => Decision::none(),
                status @ (Status::Draft | Status::Deleted) => return Err(Rejection::NotPublished { status }),
            },
            (Command::Resume { reason }, Some(state)) => match state.status {
                Status::Paused => Decision::event(Event::Resumed(Acted { by, reason })),
                Status::Published => Decision::none(),
                status @ (Status::Draft | Status::Deleted) => return Err(Rejection::NotPaused { status }),
            },
            (Command::Delete { reason }, Some(_)) => Decision::event(Event::Deleted(Acted { by, reason })),
        };
        Ok(decision)
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Drafted { name, .. } = event else { return None };
        let mut state = Self {
            name: name.clone(),
            status: Status::Draft,
            draft: None,
            versions: Vec::new(),
            since: cx.at,
            until: None,
            last: None,
        };
        state.apply(event, cx);
        Some(state)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        match event {
            Event::Drafted { source, by, .. } => {
                if self.status == Status::Deleted {
                    self.status = Status::Draft;
                }
                self.draft = Some(Draft { source: source.clone(), by: by.clone(), at: cx.at });
            }
            Event::Published { number, source, by, reason } => {
                if self.draft.as_ref().is_some_and(|draft| draft.source == *source) {
                    self.draft = None;
                }
                let (source, by_whom) = (source.clone(), by.clone());
                self.versions.push(Version { number: *number, source, by: by_whom, at: cx.at });
                let beyond = self.versions.len().saturating_sub(KEPT);
                self.versions.drain(..beyond);
                self.enter(Status::Published, "published", by, reason.as_deref(), cx);
            }
            Event::Paused(Acted { by, reason }) => {
                self.enter(Status::Paused, "paused", by, reason.as_deref(), cx);
            }
            Event::Resumed(Acted { by, reason }) => {
                self.enter(Status::Published, "resumed", by, reason.as_deref(), cx);
            }
            Event::Deleted(Acted { by, reason }) => {
                self.draft = None;
                self.enter(Status::Deleted, "deleted", by, reason.as_deref(), cx);
            }
        }
    }

    fn view(&self) -> Value {
        let number = self.published().map(|version| version.number);
        let versions: Vec<_> = self.versions.iter().rev().map(|v| json!(v)).collect();
        json!({
            "name": self.name, "status": self.status, "version": number, "draft": self.draft,
            "versions": versions, "lastChange": self.last,
        })
    }
}

impl RegisteredRule {
    /// Where it is in its life.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The version that was published last.
    pub fn published(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// From when to when events count, whichever version weighs them.
    pub fn counts(&self) -> (Timestamp, Option<Timestamp>) {
        (self.since, self.until)
    }

    fn to_publish(&self, version: Option<u32>) -> Result<String, Rejection> {
        let Some(number) = version else {
            return self.draft.as_ref().map(|draft| draft.source.clone()).ok_or(Rejection::NoDraft);
        };
        let found = self.versions.iter().find(|known| known.number == number);
        found.map(|known| known.source.clone()).ok_or(Rejection::NoVersion { number })
    }

    fn enter(&mut self, status: Status, what: &str, by: &str, reason: Option<&str>, cx: &EventCx) {
        let (was, is) = (self.status == Status::Published, status == Status::Published);
        match (was, is) {
            // What happened under the version before it is weighed by this one.
            (true, true) | (false, false) => {}
            (false, true) => (self.since, self.until) = (cx.at, None),
            (true, false) => self.until = Some(cx.at),
        }
        self.status = status;
        let (by, reason) = (by.to_owned(), reason.map(str::to_owned));
        self.last = Some(Done { what: what.to_owned(), by, reason, at: cx.at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: &mut Option<RegisteredRule>, at: i64, command: Command) -> Result<(), Rejection> {
        let id = StreamId::new(RULE, crate::id::uuid_v8([7; 16], None));
        let at = Timestamp::from_ms(at);
        let cx = DecideCx { id, now: at, seq: 0, external_key: None, principal: "ana", causation: "req_1" };
        for event in &RegisteredRule::decide(state.as_ref(), command, &cx)?.events {
            let cx = EventCx { id, at, seq: 1 };
            match state {
                Some(state) => state.apply(event, &cx),
                None => *state = RegisteredRule::begin(event, &cx),
            }
        }
        Ok(())
    }

    fn draft(source: &str) -> Command {
        Command::Draft { name: "a".to_owned(), source: source.to_owned() }
    }

    #[test]
    fn what_counts_begins_when_it_is_published_and_ends_when_it_is_held() {
        let (publish, reason) = (|| Command::Publish { version: None, reason: None }, None);
        let mut state = None;
        told(&mut state, 1, draft("one")).unwrap();
        told(&mut state, 2, publish()).unwrap();
        told(&mut state, 3, draft("two")).unwrap();
        assert_eq!(state.as_ref().unwrap().published().unwrap().source, "one");
        told(&mut state, 4, publish()).unwrap();
        let ms = Timestamp::from_ms;
        let counts = |state: &Option<RegisteredRule>| state.as_ref().unwrap().counts();
        assert_eq!(counts(&state), (ms(2), None), "a new version takes over what is not weighed");
        assert_eq!(told(&mut state, 5, publish()), Err(Rejection::NoDraft));
        told(&mut state, 6, Command::Pause { reason: reason.clone() }).unwrap();
        assert_eq!(counts(&state), (ms(2), Some(ms(6))));
        told(&mut state, 8, Command::Resume { reason: reason.clone() }).unwrap();
        assert_eq!(counts(&state), (ms(8), None));
        told(&mut state, 9, Command::Publish { version: Some(1), reason: reason.clone() }).unwrap();
        let published = state.as_ref().unwrap().published().unwrap();
        assert_eq!(
            (published.number, published.source.as_str()),
            (3, "one"),
            "rolled back as a version of its own"
        );
        told(&mut state, 10, Command::Delete { reason }).unwrap();
        assert_eq!(told(&mut state, 11, publish()), Err(Rejection::Deleted));
        told(&mut state, 12, draft("three")).unwrap();
        assert_eq!(state.as_ref().unwrap().status(), Status::Draft);
    }
}
