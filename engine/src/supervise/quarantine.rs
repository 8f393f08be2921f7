//! The register of the quarantine: which entities are set aside since they keep failing, and who released them, why.
//!
//! There is one register for each slot, in that slot, so that it belongs to the same partition as the entities that it
//! speaks of, whatever the map of slots. Registers are read when a partition is taken over, and never by a command.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{Prefix, Slot, StreamId, StreamKey, TenantId, digest, uuid_v8};
use crate::journal::RejectionKind;

/// The longest reason that an operator may give, in characters.
const LONGEST_REASON: usize = 1_000;

/// The register of a slot: the entities that are quarantined, by their keys as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// What is set aside now.
    pub open: BTreeMap<String, Quarantined>,
}

/// An entity that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The entity.
    pub stream: StreamKey,
    /// The last fault.
    pub cause: String,
    /// How often it was restarted before it was given up.
    pub restarts: u32,
    /// Since when.
    pub since: Timestamp,
}

/// What can be done to a register.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum QuarantineCommand {
    /// Notes that an entity is set aside.
    SetAside {
        /// Whose it is.
        #[schemars(with = "String")]
        tenant: TenantId,
        /// Which.
        id: StreamId,
        /// The last fault.
        cause: String,
        /// How often it was restarted.
        restarts: u32,
    },
    /// Lets it be tried again.
    Release {
        /// Whose it is.
        #[schemars(with = "String")]
        tenant: TenantId,
        /// Which.
        id: StreamId,
        /// Why that is right, for whoever asks later.
        why: String,
    },
}

/// What can have happened to an entity of the slot.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum QuarantineEvent {
    /// It was set aside.
    Quarantined {
        /// Whose it is.
        #[schemars(with = "String")]
        tenant: TenantId,
        /// Which.
        id: StreamId,
        /// The last fault.
        cause: String,
        /// How often it was restarted.
        restarts: u32,
    },
    /// It was released; the envelope says by whom.
    Released {
        /// Whose it is.
        #[schemars(with = "String")]
        tenant: TenantId,
        /// Which.
        id: StreamId,
        /// Why.
        why: String,
    },
}

/// Why nothing can be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineRejection {
    /// It is not quarantined, or has been released already.
    NotQuarantined,
    /// It is not said why.
    NoReason,
}

impl fmt::Display for QuarantineRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotQuarantined => f.write_str("it is not quarantined, or was released already"),
            Self::NoReason => no_reason(f),
        }
    }
}

impl Reason for QuarantineRejection {
    fn code(&self) -> &'static str {
        match self {
            Self::NotQuarantined => "not_quarantined",
            Self::NoReason => "no_reason",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotQuarantined => RejectionKind::Conflict,
            Self::NoReason => RejectionKind::Invalid,
        }
    }
}

/// True if an operator has said why, within bounds.
pub(super) fn is_reason(why: &str) -> bool {
    !why.trim().is_empty() && why.chars().count() <= LONGEST_REASON
}

/// Says what a reason has to be.
pub(super) fn no_reason(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "say in `why` what makes it right, in 1 to {LONGEST_REASON} characters")
}

impl Entity for Quarantine {
    const KIND: Kind = Kind { name: "quarantine", plural: "quarantine", prefix: Prefix::new("quar") };
    const CREATE: &'static str = "set-aside";
    const EVENTS: &'static [(&'static str, u16)] = &[("quarantined", 1), ("released", 1)];

    type Command = QuarantineCommand;
    type Event = QuarantineEvent;
    type Rejection = QuarantineRejection;

    fn creates(_: &QuarantineCommand) -> bool {
        true
    }

    fn decide(
        state: Option<&Self>,
        command: QuarantineCommand,
        _: &DecideCx<'_>,
    ) -> Result<Decision<QuarantineEvent>, QuarantineRejection> {
        let is_open = |tenant: &TenantId, id: StreamId| {
            let key = StreamKey::new(tenant.clone(), id).to_string();
            state.is_some_and(|register| register.open.contains_key(&key))
        };
        match command {
            QuarantineCommand::SetAside { tenant, id, .. } if is_open(&tenant, id) => Ok(Decision::none()),
            QuarantineCommand::SetAside { tenant, id, cause, restarts } => {
                Ok(Decision::event(QuarantineEvent::Quarantined { tenant, id, cause, restarts }))
            }
            QuarantineCommand::Release { why, .. } if !is_reason(&why) => Err(QuarantineRejection::NoReason),
            QuarantineCommand::Release { tenant, id, why } if is_open(&tenant, id) => {
                Ok(Decision::event(QuarantineEvent::Released { tenant, id, why }))
            }
            QuarantineCommand::Release { .. } => Err(QuarantineRejection::NotQuarantined),
        }
    }

    fn begin(event: &QuarantineEvent, cx: &EventCx) -> Option<Self> {
        let mut register = Self { open: BTreeMap::new() };
        register.apply(event, cx);
        Some(register)
    }

    fn apply(&mut self, event: &QuarantineEvent, cx: &EventCx) {
        match event {
            QuarantineEvent::Quarantined { tenant, id, cause, restarts } => {
                let stream = StreamKey::new(tenant.clone(), *id);
                let key = stream.to_string();
                let (cause, restarts, since) = (cause.clone(), *restarts, cx.at);
                self.open.insert(key, Quarantined { stream, cause, restarts, since });
            }
            QuarantineEvent::Released { tenant, id, .. } => {
                self.open.remove(&StreamKey::new(tenant.clone(), *id).to_string());
            }
        }
    }
}

impl QuarantineEvent {
    /// The entity that it speaks of.
    pub fn stream(&self) -> StreamKey {
        let (Self::Quarantined { tenant, id, .. } | Self::Released { tenant, id, .. }) = self;
        StreamKey::new(tenant.clone(), *id)
    }
}

impl Quarantine {
    /// The stream of the register of a slot.
    pub fn register(slot: Slot) -> StreamKey {
        let uuid = uuid_v8(digest("quarantine register", &[&slot.get().to_string()]), Some(slot));
        StreamKey::new(TenantId::default_tenant(), StreamId::new(Self::KIND.prefix, uuid))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::entity::{Input, Machine, StepCx, Typed};
    use crate::id::uuid_v7;
    use crate::journal::{Json, Origin};
    use crate::testkit::{EPOCH, key};

    struct Bed(Typed<Quarantine>, u64);

    impl Bed {
        fn tell(&mut self, name: &'static str, body: &serde_json::Value) -> Result<Vec<String>, String> {
            let input = Input::Command { name: name.into(), body: Json::from(body), external_key: None };
            let (stream, origin) = (Quarantine::register(slot()), Arc::new(Origin::root("a", "ana")));
            let cx = StepCx { stream: &stream, now: EPOCH, seq: self.1, origin: &origin };
            let step = self.0.step(&input, &cx).map_err(|rejected| rejected.code.into_owned())?;
            self.1 += step.events.len() as u64;
            Ok(step.events.iter().map(|event| event.name.to_string()).collect())
        }
    }

    fn slot() -> Slot {
        Slot::new(7)
    }

    fn entity(n: u64) -> StreamId {
        StreamId::new(Prefix::new("tally"), uuid_v7(1, slot(), n))
    }

    #[test]
    fn what_is_set_aside_is_released_once_and_with_a_reason() {
        let mut bed = Bed(Typed::new(), 0);
        let aside = |n| json!({ "tenant": "default", "id": entity(n), "cause": "broken", "restarts": 6 });
        let release = |n, why: &str| json!({ "tenant": "default", "id": entity(n), "why": why });
        assert_eq!(bed.tell("release", &release(1, "mended")), Err("not_quarantined".to_owned()));
        assert_eq!(bed.tell("set-aside", &aside(1)), Ok(vec!["quarantined".to_owned()]));
        assert_eq!(bed.tell("set-aside", &aside(1)), Ok(vec![]), "it stands already");
        assert_eq!(bed.tell("set-aside", &aside(2)), Ok(vec!["quarantined".to_owned()]));
        assert_eq!(bed.tell("release", &release(1, "  ")), Err("no_reason".to_owned()));
        assert_eq!(bed.tell("release", &release(1, &"x".repeat(1_001))), Err("no_reason".to_owned()));
        assert_eq!(bed.tell("release", &release(1, "mended")), Ok(vec!["released".to_owned()]));
        assert_eq!(bed.tell("release", &release(1, "mended")), Err("not_quarantined".to_owned()));
        let open: Vec<_> = bed.0.state().unwrap().open.values().map(|aside| aside.stream.clone()).collect();
        assert_eq!(open, [key(entity(2))]);
        assert_eq!(bed.tell("set-aside", &aside(1)), Ok(vec!["quarantined".to_owned()]), "again");
    }

    #[test]
    fn a_register_lies_in_its_slot() {
        assert_eq!(Quarantine::register(slot()).slot(), slot());
        assert_ne!(Quarantine::register(slot()), Quarantine::register(Slot::new(8)));
    }
}
