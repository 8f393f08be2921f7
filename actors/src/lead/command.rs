//! What a lead can be told to do.

use promptsales_engine::journal::{Outcome, Seq};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Consent, Details, Evidence, FitChange, Id, Patch, Share, Stage, Tag, Topic};
use crate::value::{Channel, Provenance, Text};

/// What a lead can be told to do.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Registers a person by at least one of e-mail address, telephone number and external key.
    Register(Box<Details>),
    /// Corrects what is known of the person: a field left out stays, `null` takes it away.
    Update(Box<Patch>),
    /// Records what a lead did; makes the lead if it is new.
    RecordActivity {
        /// What it did.
        activity: Text<200>,
        /// What that adds to its engagement, from -1000000 to 1000000.
        #[schemars(range(min = -1_000_000, max = 1_000_000))]
        score: i32,
        /// A tag that it earns.
        #[serde(default)]
        tag: Option<Tag>,
    },
    /// Says how well it fits, as a part of its score that stays.
    ScoreFit {
        /// The points, or how many more; a fit is from 0 to 1000000.
        #[schemars(range(min = -1_000_000, max = 1_000_000))]
        points: i32,
        /// Whether they are added to those that it has, or take their place.
        #[serde(default)]
        change: FitChange,
        /// Why so many.
        #[schemars(length(min = 1, max = 10))]
        reasons: Vec<Text<200>>,
    },
    /// Moves it forward to qualified.
    Qualify {
        /// Why.
        #[serde(default)]
        reason: Option<Text<500>>,
        /// What shows it.
        #[serde(default)]
        evidence: Option<Evidence>,
    },
    /// Moves it to a stage: forward freely, back only by a person with a reason.
    MoveStage {
        /// The stage.
        to: Stage,
        /// Why; needed to go back and to leave the way.
        #[serde(default)]
        reason: Option<Text<500>>,
        /// What shows it.
        #[serde(default)]
        evidence: Option<Evidence>,
    },
    /// Gives it to somebody who looks after it.
    Assign {
        /// Who.
        owner: Text<200>,
        /// Why.
        #[serde(default)]
        reason: Option<Text<500>>,
    },
    /// Takes it from its owner.
    Unassign {
        /// Why.
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
        consent: Box<Consent>,
    },
    /// Asks whether the person may be contacted: answers `allowed`, and `reason` where not.
    MayContact {
        /// On which channel.
        channel: Channel,
        /// About which topic; about anything if none is named.
        #[serde(default)]
        topic: Option<Topic>,
    },
    /// Puts another lead in its place, since both are the same person.
    MergeInto {
        /// The lead that stays.
        survivor: Id,
        /// Why they are the same.
        #[serde(default)]
        reason: Option<Text<500>>,
    },
    /// Takes a merge back: both have what they had before it.
    UndoMerge {
        /// Why.
        reason: Text<500>,
    },
    /// Stands in the place of another lead; sent by that one when it is merged.
    Absorb(Box<Share>),
    /// Gives a lead back that it stands in the place of; sent by that one when a merge is undone.
    Release {
        /// The lead.
        lead: Id,
        /// The lead's event that began the merge.
        merge: Seq,
    },
    /// Takes in what the survivor of a merge answered; nobody can send it.
    #[serde(skip)]
    Answered(Outcome),
}
