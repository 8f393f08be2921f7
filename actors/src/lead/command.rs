//! What a lead can be told to do.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Consent, Details, Stage, Tag};
use crate::value::{Provenance, Text};

/// What a lead can be told to do.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Registers a person by at least one of e-mail address, telephone number and external key.
    Register(Box<Details>),
    /// Records what a lead did; makes the lead if it is new.
    RecordActivity {
        /// What it did.
        activity: Text<200>,
        /// What that adds to its score, from -1000000 to 1000000.
        #[schemars(range(min = -1_000_000, max = 1_000_000))]
        score: i32,
        /// A tag that it earns.
        #[serde(default)]
        tag: Option<Tag>,
    },
    /// Moves it forward to qualified.
    Qualify {
        /// What shows it.
        #[serde(default)]
        reason: Option<Text<500>>,
    },
    /// Moves it to a stage: forward freely, back only by a person with a reason.
    MoveStage {
        /// The stage.
        to: Stage,
        /// Why; needed to go back and to leave the way.
        #[serde(default)]
        reason: Option<Text<500>>,
    },
    /// Notes where it came from; the first provenance stays the first.
    AttachTracking {
        /// Where it came from.
        provenance: Box<Provenance>,
    },
    /// Gives it a tag.
    Tag {
        /// The tag.
        tag: Tag,
    },
    /// Takes a tag from it.
    Untag {
        /// The tag.
        tag: Tag,
    },
    /// Notes what the person said about hearing from us.
    RecordConsent {
        /// What was said.
        consent: Consent,
    },
}
