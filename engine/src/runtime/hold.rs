//! The hold on a store that was restored: it answers reads, and nothing else happens until a person releases it.
//!
//! `held --release--> released`
//!
//! A restored copy does not know what happened after it was made. So it begins a new history, and while that is held
//! no command is taken in, no effect dispatched, no timer fired and no message carried. The release is an event of
//! the history's own stream, with who and why. Afterwards each effect that was open in the copy is settled by asking
//! its connector, and is called only where it was proven not done (see [`crate::effect::Dispatcher`]).

use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, KindInfo, Reason, Typed};
use crate::id::{StreamId, StreamKey, TenantId};
use crate::journal::{self, Info, Journal};
use crate::supervise::{Service, ServiceFault};

/// A history that went on from another one, and was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Why it was released.
    pub why: String,
    /// When it was released.
    pub released_at: Timestamp,
}

/// What can be done about a history.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum HistoryCommand {
    /// Ends the hold; what is open goes on.
    Release {
        /// Why that is right, for whoever asks later.
        why: String,
    },
}

/// What can have happened to a history.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum HistoryEvent {
    /// The hold was ended; the envelope says by whom.
    Released {
        /// Why.
        why: String,
    },
}

/// Why a history cannot be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRejection {
    /// It has been released.
    AlreadyReleased,
    /// It is not said why.
    NoReason,
}

impl fmt::Display for HistoryRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyReleased => "the history has been released already",
            Self::NoReason => "say in `why` what makes the release right",
        })
    }
}

impl Reason for HistoryRejection {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyReleased => "already_released",
            Self::NoReason => "no_reason",
        }
    }
}

impl Entity for History {
    const KIND: Kind = Kind { name: "history", plural: "histories", prefix: journal::HISTORY };
    const CREATE: &'static str = "release";
    const EVENTS: &'static [(&'static str, u16)] = &[("released", 1)];

    type Command = HistoryCommand;
    type Event = HistoryEvent;
    type Rejection = HistoryRejection;

    fn creates(_: &HistoryCommand) -> bool {
        true
    }

    fn decide(
        state: Option<&Self>,
        command: HistoryCommand,
        _: &DecideCx<'_>,
    ) -> Result<Decision<HistoryEvent>, HistoryRejection> {
        let HistoryCommand::Release { why } = command;
        match state {
            Some(_) => Err(HistoryRejection::AlreadyReleased),
            None if why.trim().is_empty() => Err(HistoryRejection::NoReason),
            None => Ok(Decision::event(HistoryEvent::Released { why })),
        }
    }

    fn begin(event: &HistoryEvent, cx: &EventCx) -> Option<Self> {
        let HistoryEvent::Released { why } = event;
        Some(Self { why: why.clone(), released_at: cx.at })
    }

    fn apply(&mut self, event: &HistoryEvent, cx: &EventCx) {
        let HistoryEvent::Released { why } = event;
        self.why.clone_from(why);
        self.released_at = cx.at;
    }
}

impl History {
    /// The catalog's entry of this entity; its routes are written by hand.
    pub fn info() -> KindInfo {
        KindInfo { public: false, ..Typed::<Self>::info() }
    }

    /// The stream of the store's history.
    pub fn stream(info: &Info) -> StreamKey {
        StreamKey::new(TenantId::default_tenant(), StreamId::new(Self::KIND.prefix, info.history))
    }
}

/// True if the store's history went on from another one and has not been released.
pub(super) async fn is_held(journal: &dyn Journal) -> Result<bool, journal::Error> {
    let info = journal.info();
    if !info.starts_held {
        return Ok(false);
    }
    Ok(journal.read_stream(&History::stream(info), 0, 1).await?.is_empty())
}

/// A service that begins when the hold has ended.
pub(super) struct Held<S> {
    pub(super) held: watch::Receiver<bool>,
    pub(super) service: S,
}

#[async_trait]
impl<S: Service> Service for Held<S> {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        if self.held.wait_for(|held| !held).await.is_err() {
            // The node has gone, and nobody can release it any more.
            return Ok(());
        }
        self.service.run().await
    }
}
