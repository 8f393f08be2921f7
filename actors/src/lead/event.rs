//! What can have happened to a lead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consent, Details, Stage, Tag};
use crate::value::{ExternalKey, Provenance, Text};

/// What can have happened to a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A person was registered.
    Registered(Box<Details>),
    /// It did something.
    ActivityRecorded {
        /// What.
        activity: Text<200>,
        /// What that adds to its score.
        score: i32,
        /// The tag that it earns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<Tag>,
        /// The key under which this made the lead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_key: Option<ExternalKey>,
    },
    /// It came to another stage.
    StageMoved {
        /// The stage before it.
        from: Stage,
        /// The stage after it.
        to: Stage,
        /// Who moved it.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
    /// It came from somewhere.
    TrackingAttached {
        /// From where.
        provenance: Box<Provenance>,
    },
    /// It was given a tag.
    Tagged {
        /// The tag.
        tag: Tag,
    },
    /// A tag was taken from it.
    Untagged {
        /// The tag.
        tag: Tag,
    },
    /// The person said something about hearing from us.
    ConsentRecorded {
        /// What.
        consent: Consent,
    },
}

/// Every event's wire name with the current version of its shape.
pub(super) const EVENTS: &[(&str, u16)] = &[
    ("registered", 1),
    ("activity-recorded", 1),
    ("stage-moved", 1),
    ("tracking-attached", 1),
    ("tagged", 1),
    ("untagged", 1),
    ("consent-recorded", 1),
];
