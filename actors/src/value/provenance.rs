//! Provenance: where a lead came from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Channel, Text, WebUrl};

/// The parameters of a tracked link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Utm {
    /// Who sent the visitor: `instagram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text<200>>,
    /// By what means: `paid-social`, `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Text<200>>,
    /// For which campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Text<200>>,
    /// The words that were searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<Text<200>>,
    /// Which of several links or ads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Text<200>>,
}

impl Utm {
    /// The parameters of a campaign's links on a channel.
    pub fn for_channel(campaign: &str, channel: Channel) -> Self {
        let medium = match channel {
            Channel::Instagram | Channel::Facebook | Channel::Tiktok | Channel::Linkedin => "paid-social",
            Channel::Google => "cpc",
            Channel::Email => "email",
            Channel::Sms => "sms",
            Channel::Whatsapp => "messaging",
            Channel::Influencers => "influencer",
            Channel::Web => "referral",
        };
        let text = |text: &str| text.parse::<Text<200>>().ok();
        Self {
            source: text(channel.as_str()),
            medium: text(medium),
            campaign: text(campaign),
            ..Self::default()
        }
    }

    /// The link to a page that carries these parameters.
    pub fn link(&self, page: &WebUrl) -> WebUrl {
        let named = [
            ("utm_source", &self.source),
            ("utm_medium", &self.medium),
            ("utm_campaign", &self.campaign),
            ("utm_term", &self.term),
            ("utm_content", &self.content),
        ];
        let given = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?.as_str())));
        page.with_query(&given.collect::<Vec<_>>())
    }
}

/// Where a lead came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Provenance {
    /// The parameters of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utm: Option<Utm>,
    /// The channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The campaign, by its id or the name that the outside has for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Text<200>>,
    /// The ad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ad: Option<Text<200>>,
    /// The form that was filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Text<200>>,
    /// The page that the visitor came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Text<2048>>,
    /// The page that the visitor came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_url: Option<Text<2048>>,
    /// The source in the caller's words, where none of the others fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text<200>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_channel_and_campaign() {
        let page: WebUrl = "https://tienda.example/verano?ref=1".parse().unwrap();
        let link = Utm::for_channel("Verano 2026", Channel::Instagram).link(&page);
        let expected = "https://tienda.example/verano?ref=1&utm_source=instagram&utm_medium=paid-social\
                        &utm_campaign=Verano%202026";
        assert_eq!(link.as_str(), expected);
    }
}
