//! Consent: whether a person wants to hear from us, by channel and topic.
//!
//! The newest word on a channel and topic counts. A word without a topic is about the whole channel: a "no" to the
//! channel beats every "yes" to a topic, whichever came first, and a "yes" to it holds for the topics of which nothing
//! is said.

use std::fmt;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::journal::Seq;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Channel, Text};

/// What a message is about: `offers`, `newsletter`.
pub type Topic = Text<64>;

/// Whether a person wants to hear from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ConsentStatus {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Yes once, and no longer.
    Withdrawn,
}

/// What a person said about hearing from us on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Consent {
    /// The channel.
    pub channel: Channel,
    /// The topic; all of them if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// Yes or no.
    pub status: ConsentStatus,
    /// Where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text<200>>,
    /// What shows it: a form, a recording, the text that was agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Text<500>>,
    /// When it was said, if not now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A word that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Word {
    /// The channel.
    pub channel: Channel,
    /// The topic; all of them if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// Yes or no.
    pub status: ConsentStatus,
    /// Where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text<200>>,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Text<500>>,
    /// When it was said.
    pub at: Timestamp,
    /// The event that recorded it, of the lead that it was said to.
    pub seq: Seq,
}

impl Word {
    /// Records what was said, by an event.
    pub(super) fn new(said: &Consent, at: Timestamp, seq: Seq) -> Self {
        Self {
            channel: said.channel,
            topic: said.topic.clone(),
            status: said.status,
            source: said.source.clone(),
            evidence: said.evidence.clone(),
            at: said.at.unwrap_or(at),
            seq,
        }
    }

    /// True if it is about the same channel and topic.
    pub(super) fn is_about(&self, channel: Channel, topic: Option<&Topic>) -> bool {
        self.channel == channel && self.topic.as_ref() == topic
    }

    /// True if this was said already, word for word.
    pub(super) fn repeats(&self, said: &Consent) -> bool {
        self.is_about(said.channel, said.topic.as_ref())
            && self.status == said.status
            && self.source == said.source
            && self.evidence == said.evidence
            && said.at.is_none_or(|at| at == self.at)
    }

    /// True if it is a "no".
    pub(super) fn is_no(&self) -> bool {
        match self.status {
            ConsentStatus::Granted => false,
            ConsentStatus::Denied | ConsentStatus::Withdrawn => true,
        }
    }
}

/// Why a person may not be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum WhyNot {
    /// The lead was merged: ask the survivor.
    Merged,
    /// The person said no to the whole channel.
    ChannelDenied,
    /// The person took back the consent to the whole channel.
    ChannelWithdrawn,
    /// The person said no to the topic.
    TopicDenied,
    /// The person took back the consent to the topic.
    TopicWithdrawn,
    /// The person said nothing that would allow it.
    NotGranted,
    /// There is no address on that channel.
    NoAddress,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merged => "the lead was merged: ask its survivor",
            Self::ChannelDenied => "the person said no to the whole channel",
            Self::ChannelWithdrawn => "the person took the consent to the whole channel back",
            Self::TopicDenied => "the person said no to this topic",
            Self::TopicWithdrawn => "the person took the consent to this topic back",
            Self::NotGranted => "the person granted neither the channel nor the topic",
            Self::NoAddress => "no address of the person on this channel is known",
        })
    }
}

/// Says whether words allow to contact the person on a channel about a topic; without one, about anything.
///
/// # Errors
///
/// Why not.
pub(super) fn allows<'w>(
    words: impl Iterator<Item = &'w Word> + Clone,
    channel: Channel,
    topic: Option<&Topic>,
) -> Result<(), WhyNot> {
    let no = |topic: Option<&Topic>| {
        words.clone().filter(|word| word.is_about(channel, topic)).find(|word| word.is_no())
    };
    if let Some(word) = no(None) {
        let denied = word.status == ConsentStatus::Denied;
        return Err(if denied { WhyNot::ChannelDenied } else { WhyNot::ChannelWithdrawn });
    }
    if let Some(word) = topic.and_then(|topic| no(Some(topic))) {
        let denied = word.status == ConsentStatus::Denied;
        return Err(if denied { WhyNot::TopicDenied } else { WhyNot::TopicWithdrawn });
    }
    let yes = |word: &Word| word.is_about(channel, None) || topic.is_some() && word.is_about(channel, topic);
    if words.clone().any(yes) { Ok(()) } else { Err(WhyNot::NotGranted) }
}
