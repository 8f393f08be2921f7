//! The state of a lead. It is bounded: lists keep the newest, counts and score keep the rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use promptsales_engine::clock::Timestamp;
use promptsales_engine::journal::Seq;
use promptsales_engine::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::consent::{Consent, Word};
use super::merge::{Absorbed, Merge};
use super::score::{self, Engagement, Score};
use super::stage::{Stage, StageChange};
use super::{Topic, WhyNot, consent};
use crate::value::{Attributes, Channel, Email, ExternalKey, Locale, Phone, Provenance, Text, TimeZone};

/// A word that leads are sorted by.
pub type Tag = Text<64>;

/// The most tags of one lead; further ones are refused.
pub(super) const MAX_TAGS: usize = 64;

/// The activities, touches and changes of stage that are kept whole.
pub(super) const KEPT: usize = 10;

/// The most consents of one lead; a "no" to a whole channel always has room.
pub(super) const MAX_CONSENTS: usize = 100;

/// The most and, below zero, the fewest points of one activity.
pub(super) const MAX_POINTS: i64 = 1_000_000;

/// What is known of a person when it is registered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Details {
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<Email>>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<Phone>>,
    /// The caller's own key for the lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<Text<200>>>,
    /// The language that the person speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// Where the person's clock is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// Where the lead came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// The words that it is sorted by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Personal<Attributes>>,
    /// What the person said about hearing from us.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent: Vec<Consent>,
}

/// Something that a lead did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// What.
    pub activity: Text<200>,
    /// What it added to the score.
    pub score: i32,
    /// When it was recorded.
    pub at: Timestamp,
}

/// A later touch: where the lead came from another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Touch {
    /// Where it came from.
    pub provenance: Provenance,
    /// When that was recorded.
    pub at: Timestamp,
}

/// Who looks after a lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Who; nobody if the lead was taken from its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text<200>>,
    /// Who said so: a person, a rule, a run.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<500>>,
    /// The event.
    pub seq: Seq,
    /// Since when.
    pub at: Timestamp,
}

/// How well a lead fits, with what that rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Points.
    pub points: i64,
    /// Why so many.
    pub reasons: Vec<Text<200>>,
    /// Who said so.
    pub by: String,
    /// The event.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
}

/// A lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// How near it is to being a customer.
    pub stage: Stage,
    /// How well it fits; nothing if nobody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// What its activities add up to.
    pub engagement: Engagement,
    /// How many activities were recorded.
    pub activity_count: u64,
    /// The newest activities, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub recent_activities: VecDeque<Activity>,
    /// What is known of the person. Its tags are the current ones, its provenance the first; consent stands below.
    pub details: Details,
    /// The newest word on each channel and topic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent: Vec<Word>,
    /// Who looks after it, and who did before, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub owners: VecDeque<Owner>,
    /// The newest of the later touches, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub touches: VecDeque<Touch>,
    /// The newest changes of stage, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub stage_changes: VecDeque<StageChange>,
    /// How often it came to each stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stage_counts: BTreeMap<String, u64>,
    /// The lead that stands in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    /// The leads in whose place it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absorbed: Vec<Absorbed>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

impl Lead {
    /// Its score as of a moment.
    pub fn score(&self, at: Timestamp) -> Score {
        let fit = self.fit.as_ref().map_or(0, |fit| fit.points);
        let absorbed = self.absorbed.iter().map(|absorbed| absorbed.share.engagement);
        let all = absorbed.chain([self.engagement]);
        score::sum(fit, all.map(|engagement| engagement.milli_at(at)), at)
    }

    /// Its e-mail address, or that of a lead in whose place it stands.
    pub fn email(&self) -> Option<&Personal<Email>> {
        let absorbed = self.absorbed.iter().find_map(|absorbed| absorbed.share.email.as_ref());
        self.details.email.as_ref().or(absorbed)
    }

    /// Its telephone number, or that of a lead in whose place it stands.
    pub fn phone(&self) -> Option<&Personal<Phone>> {
        let absorbed = self.absorbed.iter().find_map(|absorbed| absorbed.share.phone.as_ref());
        self.details.phone.as_ref().or(absorbed)
    }

    /// The person's name, or that of a lead in whose place it stands.
    pub fn name(&self) -> Option<&Personal<Text<200>>> {
        let absorbed = self.absorbed.iter().find_map(|absorbed| absorbed.share.name.as_ref());
        self.details.name.as_ref().or(absorbed)
    }

    /// Its tags, with those of the leads in whose place it stands.
    pub fn tags(&self) -> BTreeSet<&Tag> {
        let absorbed = self.absorbed.iter().flat_map(|absorbed| &absorbed.share.tags);
        self.details.tags.iter().chain(absorbed).collect()
    }

    /// True if nothing tells who the person is but a key.
    pub fn is_anonymous(&self) -> bool {
        self.email().is_none() && self.phone().is_none() && self.name().is_none()
    }

    /// Who looks after it.
    pub fn owner(&self) -> Option<&Text<200>> {
        self.owners.back().and_then(|last| last.owner.as_ref())
    }

    /// Says whether the person may be contacted on a channel about a topic; without one, about anything.
    ///
    /// What was denied to a lead in whose place this one stands is denied to this one.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn may_contact(&self, channel: Channel, topic: Option<&Topic>) -> Result<(), WhyNot> {
        if self.merge.is_some() {
            return Err(WhyNot::Merged);
        }
        let denied = self.absorbed.iter().flat_map(|absorbed| &absorbed.share.denied);
        consent::allows(self.consent.iter().chain(denied), channel, topic)?;
        let has_address = match channel {
            Channel::Email => self.email().is_some(),
            Channel::Sms | Channel::Whatsapp => self.phone().is_some(),
            Channel::Instagram
            | Channel::Facebook
            | Channel::Tiktok
            | Channel::Google
            | Channel::Linkedin
            | Channel::Influencers
            | Channel::Web => true,
        };
        if has_address { Ok(()) } else { Err(WhyNot::NoAddress) }
    }
}

/// Adds to a list that keeps the newest only.
pub(super) fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(item);
}
