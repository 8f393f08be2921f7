//! What can have happened to a lead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consent, Details, Evidence, Id, Patch, Share, Stage, Tag, Word};
use crate::value::{ExternalKey, Provenance, Text};

/// What can have happened to a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A person was registered.
    Registered(Box<Details>),
    /// What is known of the person was corrected.
    Updated(Box<Patch>),
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
        /// The id of the request, message or timer that brought it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        causation: Option<String>,
        /// What shows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// It was said how well it fits.
    FitScored {
        /// The points that it has now.
        points: i64,
        /// Why so many.
        reasons: Vec<Text<200>>,
        /// Who said so.
        by: String,
    },
    /// It was given to somebody.
    Assigned {
        /// Whom.
        owner: Text<200>,
        /// Who gave it.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
    /// It was taken from its owner.
    Unassigned {
        /// Whom it was taken from.
        owner: Text<200>,
        /// Who took it.
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
        consent: Box<Consent>,
    },
    /// Another lead is to stand in its place.
    MergeBegun {
        /// The other lead.
        survivor: Id,
        /// Who merged them.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
    /// The survivor stands in its place.
    Merged {},
    /// The survivor could not take it.
    MergeRefused {
        /// The code of the reason.
        code: String,
        /// Why not.
        message: String,
    },
    /// The merge is to be undone.
    UndoBegun {
        /// Who undoes it.
        by: String,
        /// Why.
        reason: Text<500>,
    },
    /// The survivor gave it back.
    MergeUndone {
        /// What the person denied to the survivor meanwhile.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        denied: Vec<Word>,
    },
    /// The survivor could not give it back.
    UndoRefused {
        /// The code of the reason.
        code: String,
        /// Why not.
        message: String,
    },
    /// It stands in the place of another lead.
    Absorbed(Box<Share>),
    /// It stands in the place of another lead no more.
    Released {
        /// The other lead.
        lead: Id,
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
    ("updated", 1),
    ("fit-scored", 1),
    ("assigned", 1),
    ("unassigned", 1),
    ("merge-begun", 1),
    ("merged", 1),
    ("merge-refused", 1),
    ("undo-begun", 1),
    ("merge-undone", 1),
    ("undo-refused", 1),
    ("absorbed", 1),
    ("released", 1),
];
