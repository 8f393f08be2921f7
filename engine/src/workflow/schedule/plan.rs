//! What a schedule begins runs by.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{StreamId, TenantId};
use crate::timer::Cron;
use crate::workflow::definition::Definition;
use crate::workflow::topic::topics_of;

/// What a schedule begins runs by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// At every multiple of so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// At the times of a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The time zone of the cron expression; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// So many milliseconds after the end of the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// When these events have come, as the definition says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Value>,
    /// The topics at which they come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub topics: Vec<StreamId>,
}

impl Plan {
    /// The plan of a definition; none if its runs do not begin by themselves.
    pub fn of(definition: &Definition, tenant: &TenantId) -> Option<Self> {
        let schedule = definition.schedule.as_ref()?;
        let ms = |span: &Option<Duration>| span.map(|span| span.as_millis() as u64);
        let on = schedule.on.as_ref();
        Some(Self {
            every_ms: ms(&schedule.every),
            cron: schedule.cron.clone(),
            time_zone: definition.time_zone.clone(),
            after_ms: ms(&schedule.after),
            on: on.and_then(|_| definition.document.pointer("/schedule/on").cloned()),
            topics: on.map_or_else(BTreeSet::new, |on| topics_of(tenant, on)).into_iter().collect(),
        })
    }

    /// The first time behind another one, where that is known.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if let Some(every) = self.every_ms {
            let every = i64::try_from(every.max(1)).unwrap_or(i64::MAX);
            return Some(Timestamp::from_ms((after.ms().div_euclid(every) + 1).saturating_mul(every)));
        }
        Cron::parse(self.cron.as_deref()?).ok()?.next(after, self.time_zone.as_deref())
    }
}
