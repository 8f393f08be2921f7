//! Content: its kinds, and one finished piece.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Channel, Locale, Text, WebUrl, shown};

/// What kind of content a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ContentKind {
    /// Written copy.
    Text,
    /// A picture.
    Image,
    /// A clip.
    Video,
}

/// A name that is no kind of content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a kind of content: use text, image or video")]
pub struct UnknownContentKind {
    text: String,
}

impl ContentKind {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
        }
    }

    /// Reads the name as people write it in Spanish or English.
    ///
    /// # Errors
    ///
    /// `UnknownContentKind`.
    pub fn from_label(label: &str) -> Result<Self, UnknownContentKind> {
        match label.trim().to_lowercase().as_str() {
            "text" | "texto" | "copy" => Ok(Self::Text),
            "image" | "imagen" | "foto" | "photo" => Ok(Self::Image),
            "video" | "vídeo" | "clip" => Ok(Self::Video),
            _ => Err(UnknownContentKind { text: shown(label) }),
        }
    }
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A picture or clip in the media store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Media {
    /// Its id in the media store.
    pub media_id: Text<128>,
    /// Where it lies.
    pub url: WebUrl,
    /// The file format: `webp`, `mp4`.
    pub format: Text<16>,
    /// What is to be seen, for those who do not see it.
    pub alt_text: Text<500>,
}

/// One finished piece of content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Piece {
    /// The provider's id of it.
    pub content_id: Text<128>,
    /// What kind it is.
    pub kind: ContentKind,
    /// The channel that it was made for.
    pub channel: Channel,
    /// The language that it speaks.
    pub locale: Locale,
    /// The line above the text: a headline, a subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<Text<200>>,
    /// The text; for pictures and clips what they were made from: the prompt, the storyboard.
    pub text: Text<6000>,
    /// The picture or clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
}
