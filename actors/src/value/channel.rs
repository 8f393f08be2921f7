//! Channels: where a campaign meets people.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ContentKind, shown};

/// A name that is no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a channel: use instagram, facebook, tiktok, google, linkedin, email, sms, whatsapp, \
     influencers or web"
)]
pub struct UnknownChannel {
    text: String,
}

/// Where a campaign meets people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Channel {
    /// Instagram.
    Instagram,
    /// Facebook.
    Facebook,
    /// TikTok.
    Tiktok,
    /// Google Ads: search, display and video.
    Google,
    /// LinkedIn.
    Linkedin,
    /// E-mail.
    Email,
    /// Short messages.
    Sms,
    /// WhatsApp Business.
    Whatsapp,
    /// People who speak for the brand.
    Influencers,
    /// The organisation's own site.
    Web,
}

impl Channel {
    /// All channels, in their fixed order.
    pub const ALL: [Self; 10] = [
        Self::Instagram,
        Self::Facebook,
        Self::Tiktok,
        Self::Google,
        Self::Linkedin,
        Self::Email,
        Self::Sms,
        Self::Whatsapp,
        Self::Influencers,
        Self::Web,
    ];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instagram => "instagram",
            Self::Facebook => "facebook",
            Self::Tiktok => "tiktok",
            Self::Google => "google",
            Self::Linkedin => "linkedin",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Influencers => "influencers",
            Self::Web => "web",
        }
    }

    /// The most characters of a headline: an ad's headline, a subject line, the first line of a post.
    pub const fn headline_limit(self) -> usize {
        match self {
            Self::Google => 30,
            Self::Facebook | Self::Instagram => 40,
            Self::Tiktok => 40,
            Self::Linkedin => 70,
            Self::Email | Self::Web | Self::Influencers | Self::Whatsapp => 60,
            Self::Sms => 30,
        }
    }

    /// The most characters of the text proper: what the channel shows or takes in full.
    pub const fn text_limit(self) -> usize {
        match self {
            Self::Instagram | Self::Influencers => 2_200,
            Self::Facebook => 500,
            Self::Tiktok => 100,
            Self::Google => 90,
            Self::Linkedin => 600,
            Self::Email => 5_000,
            Self::Sms => 160,
            Self::Whatsapp => 1_024,
            Self::Web => 1_000,
        }
    }

    /// True if the channel takes content of a kind.
    pub const fn takes(self, kind: ContentKind) -> bool {
        match kind {
            ContentKind::Text => true,
            ContentKind::Image => !matches!(self, Self::Sms),
            ContentKind::Video => !matches!(self, Self::Sms | Self::Email),
        }
    }

    /// How a budget is weighed between channels where nobody says otherwise: paid media above owned media.
    pub const fn weight(self) -> u32 {
        match self {
            Self::Instagram | Self::Facebook | Self::Google => 30,
            Self::Tiktok | Self::Linkedin | Self::Influencers => 20,
            Self::Whatsapp => 15,
            Self::Email | Self::Sms | Self::Web => 10,
        }
    }

    /// Reads the name as people and other systems write it: any case, `E-mail`, `Google Ads`, `WhatsApp Business`.
    ///
    /// # Errors
    ///
    /// [`UnknownChannel`].
    pub fn from_label(label: &str) -> Result<Self, UnknownChannel> {
        let plain: String = label.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
        match plain.as_str() {
            "googleads" | "youtube" => Ok(Self::Google),
            "mail" | "correo" | "correoelectrónico" | "mailchimp" => Ok(Self::Email),
            "whatsappbusiness" => Ok(Self::Whatsapp),
            "tiktokforbusiness" => Ok(Self::Tiktok),
            "meta" | "metaads" => Ok(Self::Facebook),
            "influencer" => Ok(Self::Influencers),
            "website" | "blog" | "sitio" | "sitioweb" => Ok(Self::Web),
            known => known.parse().map_err(|_| UnknownChannel { text: shown(label) }),
        }
    }
}

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        let found = Self::ALL.into_iter().find(|channel| channel.as_str() == text);
        found.ok_or_else(|| UnknownChannel { text: shown(text) })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_wire_names_agree() {
        for channel in Channel::ALL {
            assert_eq!(serde_json::to_value(channel).unwrap(), channel.as_str());
            assert_eq!(channel.as_str().parse(), Ok(channel));
            assert!(channel.headline_limit() <= channel.text_limit());
        }
    }

    #[test]
    fn labels_of_people_are_understood() {
        assert_eq!(Channel::from_label("Instagram"), Ok(Channel::Instagram));
        assert_eq!(Channel::from_label("E-mail"), Ok(Channel::Email));
        assert_eq!(Channel::from_label("WhatsApp Business"), Ok(Channel::Whatsapp));
        assert!(Channel::from_label("fax").unwrap_err().to_string().contains("`fax`"));
    }
}
