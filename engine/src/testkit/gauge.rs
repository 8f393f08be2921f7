//! A small kind whose event has had three shapes and whose state has had two, to show how old ones are read.
//!
//! `(nothing) --read--> a reading --read--> the next reading`

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codec::{StateUpcaster, Upcaster};
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::Prefix;

/// What a gauge has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gauge {
    /// The last reading, in thousandths of a degree Celsius.
    pub milli_celsius: i64,
    /// Where it was read.
    pub place: String,
    /// How many readings there were.
    pub readings: u64,
}

/// What it can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum GaugeCommand {
    /// Notes a reading; makes the gauge if it is new.
    Read {
        /// Thousandths of a degree Celsius.
        milli_celsius: i64,
        /// Where it was read.
        place: String,
    },
}

/// What can have happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum GaugeEvent {
    /// It was read. Version 1 had whole `degrees`, version 2 `milliCelsius` without a place.
    WasRead {
        /// Thousandths of a degree Celsius.
        milli_celsius: i64,
        /// Where it was read.
        place: String,
    },
}

/// Why it can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GaugeRejection;

impl fmt::Display for GaugeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is colder than -273.15 degrees")
    }
}

impl Reason for GaugeRejection {
    fn code(&self) -> &'static str {
        "too_cold"
    }
}

impl Entity for Gauge {
    const KIND: Kind = Kind { name: "gauge", plural: "gauges", prefix: Prefix::new("gauge") };
    const CREATE: &'static str = "read";
    const EVENTS: &'static [(&'static str, u16)] = &[("was-read", 3)];
    const UPCASTERS: &'static [Upcaster] = &[
        Upcaster { event: "was-read", from: 1, step: in_thousandths },
        Upcaster { event: "was-read", from: 2, step: with_place },
    ];
    const STATE_VERSION: u16 = 2;
    const STATE_UPCASTERS: &'static [StateUpcaster] = &[StateUpcaster { from: 1, step: with_place }];

    type Command = GaugeCommand;
    type Event = GaugeEvent;
    type Rejection = GaugeRejection;

    fn creates(_: &GaugeCommand) -> bool {
        true
    }

    fn decide(
        _: Option<&Self>,
        command: GaugeCommand,
        _: &DecideCx<'_>,
    ) -> Result<Decision<GaugeEvent>, GaugeRejection> {
        let GaugeCommand::Read { milli_celsius, place } = command;
        if milli_celsius < -273_150 {
            return Err(GaugeRejection);
        }
        Ok(Decision::event(GaugeEvent::WasRead { milli_celsius, place }))
    }

    fn begin(event: &GaugeEvent, cx: &EventCx) -> Option<Self> {
        let mut gauge = Self { milli_celsius: 0, place: String::new(), readings: 0 };
        gauge.apply(event, cx);
        Some(gauge)
    }

    fn apply(&mut self, event: &GaugeEvent, _: &EventCx) {
        let GaugeEvent::WasRead { milli_celsius, place } = event;
        self.milli_celsius = *milli_celsius;
        self.place.clone_from(place);
        self.readings += 1;
    }
}

fn in_thousandths(data: Value) -> Result<Value, String> {
    let degrees = data["degrees"].as_i64().ok_or("it has no `degrees`")?;
    Ok(json!({ "milliCelsius": degrees * 1_000 }))
}

fn with_place(mut data: Value) -> Result<Value, String> {
    let fields = data.as_object_mut().ok_or("it is no object")?;
    fields.insert("place".to_owned(), json!("unknown"));
    Ok(data)
}
