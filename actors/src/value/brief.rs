//! The brief: what a person wants of a campaign.

use promptsales_engine::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attributes, Channel, ContentKind, ExternalKey, Locale, Money, Text, WebUrl};

/// The most pieces of content that one brief may lead to.
const MAX_PIECES: usize = 120;

/// A brief that contradicts itself, or is not complete enough to be launched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BriefError {
    /// Something stands twice in a list.
    #[error("`{value}` stands twice in `{field}`: name it once")]
    Repeated {
        /// The list.
        field: &'static str,
        /// What stands twice.
        value: String,
    },
    /// A list is longer than can be served.
    #[error("`{field}` has {count} entries: at most {max} are allowed")]
    TooMany {
        /// The list.
        field: &'static str,
        /// Its length.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The campaign would end before it starts.
    #[error("`endDate` {end} is not after `startDate` {start}: choose a later end")]
    EndsBeforeStart {
        /// The start.
        start: Timestamp,
        /// The end.
        end: Timestamp,
    },
    /// The spend limit is in another currency than the budget.
    #[error("`spendLimit` {limit} is in another currency than `budget` {budget}: use one currency")]
    LimitInOtherCurrency {
        /// The limit.
        limit: Money,
        /// The budget.
        budget: Money,
    },
    /// What a launch needs is not there.
    #[error("the brief is not complete: add {}", .missing.join(", "))]
    Incomplete {
        /// The fields.
        missing: Vec<&'static str>,
    },
    /// A channel takes none of the wanted kinds of content.
    #[error("`{channel}` takes none of the wanted kinds of content: add `text` to `contentKinds`")]
    NothingForChannel {
        /// The channel.
        channel: Channel,
    },
}

impl BriefError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Repeated { .. } | Self::TooMany { .. } => "brief_invalid",
            Self::EndsBeforeStart { .. } => "brief_ends_before_start",
            Self::LimitInOtherCurrency { .. } => "currency_mismatch",
            Self::Incomplete { .. } => "brief_incomplete",
            Self::NothingForChannel { .. } => "brief_channel_without_content",
        }
    }
}

/// What a person wants of a campaign. A draft may lack much of it; a launch needs audience, message, channels and
/// budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Brief {
    /// The campaign's name.
    pub name: Text<120>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<2000>>,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_audience: Option<Text<500>>,
    /// What it says to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_message: Option<Text<500>>,
    /// Where it meets them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// The languages that it speaks; Spanish if nothing is said.
    #[serde(default = "default_locales")]
    pub locales: Vec<Locale>,
    /// The kinds of content it is made of; text and image if nothing is said.
    #[serde(default = "default_kinds")]
    pub content_kinds: Vec<ContentKind>,
    /// What it may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Money>,
    /// The budget up to which nobody needs to approve; without it nobody needs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_limit: Option<Money>,
    /// When it starts; at once if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Timestamp>,
    /// When it ends; never by itself if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Timestamp>,
    /// The page that people are led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_url: Option<WebUrl>,
    /// Words that must not occur in any piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden_words: Vec<Text<80>>,
    /// The caller's own key for the campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// One piece of content that a brief asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct PieceWanted {
    /// For which channel.
    pub channel: Channel,
    /// In which language.
    pub locale: Locale,
    /// Of which kind.
    pub kind: ContentKind,
}

/// The languages of a brief that names none.
pub(super) fn default_locales() -> Vec<Locale> {
    vec!["es".parse().expect("`es` is a language tag")]
}

/// The kinds of content of a brief that names none.
pub(super) fn default_kinds() -> Vec<ContentKind> {
    vec![ContentKind::Text, ContentKind::Image]
}

impl Brief {
    /// Checks that it does not contradict itself.
    ///
    /// # Errors
    ///
    /// The first contradiction.
    pub fn check(&self) -> Result<(), BriefError> {
        distinct("channels", &self.channels, Channel::ALL.len())?;
        distinct("locales", &self.locales, 12)?;
        distinct("contentKinds", &self.content_kinds, 3)?;
        distinct("forbiddenWords", &self.forbidden_words, 100)?;
        if let (Some(start), Some(end)) = (self.start_date, self.end_date)
            && end <= start
        {
            return Err(BriefError::EndsBeforeStart { start, end });
        }
        if let (Some(limit), Some(budget)) = (self.spend_limit, self.budget)
            && limit.currency() != budget.currency()
        {
            return Err(BriefError::LimitInOtherCurrency { limit, budget });
        }
        Ok(())
    }

    /// Checks that it is complete enough to be launched, and lists the pieces of content that it asks for.
    ///
    /// # Errors
    ///
    /// What is missing, all of it at once.
    pub fn pieces(&self) -> Result<Vec<PieceWanted>, BriefError> {
        self.check()?;
        let needs = [
            ("targetAudience", self.target_audience.is_some()),
            ("campaignMessage", self.campaign_message.is_some()),
            ("channels", !self.channels.is_empty()),
            ("locales", !self.locales.is_empty()),
            ("contentKinds", !self.content_kinds.is_empty()),
            ("budget", self.budget.is_some_and(|budget| !budget.is_zero())),
        ];
        let missing: Vec<&str> =
            needs.into_iter().filter(|(_, there)| !there).map(|(field, _)| field).collect();
        if !missing.is_empty() {
            return Err(BriefError::Incomplete { missing });
        }
        let mut pieces = Vec::new();
        for channel in self.channels.iter().copied() {
            let kinds: Vec<_> =
                self.content_kinds.iter().copied().filter(|kind| channel.takes(*kind)).collect();
            if kinds.is_empty() {
                return Err(BriefError::NothingForChannel { channel });
            }
            for locale in &self.locales {
                let wanted =
                    |kind: &ContentKind| PieceWanted { channel, locale: locale.clone(), kind: *kind };
                pieces.extend(kinds.iter().map(wanted));
            }
        }
        if pieces.len() > MAX_PIECES {
            let (field, count) = ("channels, locales and contentKinds", pieces.len());
            return Err(BriefError::TooMany { field, count, max: MAX_PIECES });
        }
        Ok(pieces)
    }

    /// True if the budget is more than may be spent without a person's approval.
    pub fn needs_approval(&self) -> bool {
        match (self.budget, self.spend_limit) {
            (Some(budget), Some(limit)) => budget.exceeds(limit).unwrap_or(true),
            (_, None) | (None, _) => false,
        }
    }
}

fn distinct<T: PartialEq + ToString>(field: &'static str, list: &[T], max: usize) -> Result<(), BriefError> {
    if list.len() > max {
        return Err(BriefError::TooMany { field, count: list.len(), max });
    }
    let twice = list.iter().enumerate().find(|(i, item)| list[..*i].contains(item));
    match twice {
        Some((_, item)) => Err(BriefError::Repeated { field, value: item.to_string() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn brief(fields: Value) -> Brief {
        let mut whole = json!({
            "name": "Verano", "targetAudience": "Jóvenes", "campaignMessage": "Refrescate",
            "channels": ["instagram", "sms"], "budget": { "amountMinor": 1000, "currency": "USD" },
        });
        whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn it_asks_for_the_pieces_that_each_channel_takes() {
        let pieces = brief(json!({ "locales": ["es-CR", "en"] })).pieces().unwrap();
        let named = pieces.iter().map(|p| format!("{}/{}/{}", p.channel, p.locale, p.kind));
        let expected = [
            "instagram/es-CR/text",
            "instagram/es-CR/image",
            "instagram/en/text",
            "instagram/en/image",
            "sms/es-CR/text",
            "sms/en/text",
        ];
        assert_eq!(named.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_missing_is_named_at_once() {
        let bare: Brief = serde_json::from_value(json!({ "name": "Verano" })).unwrap();
        assert_eq!(bare.check(), Ok(()));
        let missing = vec!["targetAudience", "campaignMessage", "channels", "budget"];
        assert_eq!(bare.pieces(), Err(BriefError::Incomplete { missing }));
        let video = brief(json!({ "contentKinds": ["video"] })).pieces();
        assert_eq!(video, Err(BriefError::NothingForChannel { channel: Channel::Sms }));
    }

    #[test]
    fn contradictions_are_found() {
        let code = |fields: Value| brief(fields).check().unwrap_err().code();
        assert_eq!(code(json!({ "channels": ["web", "web"] })), "brief_invalid");
        let dates = json!({ "startDate": "2026-02-01T00:00:00Z", "endDate": "2026-01-01T00:00:00Z" });
        assert_eq!(code(dates), "brief_ends_before_start");
        let limit = json!({ "spendLimit": { "amountMinor": 1, "currency": "EUR" } });
        assert_eq!(code(limit), "currency_mismatch");
    }

    #[test]
    fn approval_is_needed_above_the_limit_only() {
        let limit = |amount: i64| json!({ "spendLimit": { "amountMinor": amount, "currency": "USD" } });
        assert!(!brief(json!({})).needs_approval());
        assert!(!brief(limit(1000)).needs_approval());
        assert!(brief(limit(999)).needs_approval());
    }
}
