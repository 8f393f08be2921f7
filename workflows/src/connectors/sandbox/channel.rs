//! Channels and languages, as the outside world knows them: their limits are its own.

use promptsales_engine::effect::CallError;

use super::request::{Fields, refused};

/// A channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Channel {
    /// The wire name.
    pub(super) name: &'static str,
    /// The most characters that it takes.
    pub(super) limit: usize,
    /// The length of copy that reads well there.
    pub(super) aim: usize,
    /// The shape of its pictures.
    pub(super) ratio: &'static str,
}

const fn channel(name: &'static str, limit: usize, aim: usize, ratio: &'static str) -> Channel {
    Channel { name, limit, aim, ratio }
}

/// All channels.
pub(super) const CHANNELS: [Channel; 10] = [
    channel("instagram", 2_200, 900, "4:5"),
    channel("facebook", 63_206, 300, "1:1"),
    channel("tiktok", 2_200, 300, "9:16"),
    channel("google", 90, 90, "1.91:1"),
    channel("linkedin", 3_000, 1_500, "1.91:1"),
    channel("email", 10_000, 4_000, "3:1"),
    channel("sms", 160, 160, "1:1"),
    channel("whatsapp", 1_024, 600, "1:1"),
    channel("influencers", 5_000, 4_000, "4:5"),
    channel("web", 20_000, 4_000, "16:9"),
];

impl Channel {
    /// Reads the field `channel`.
    pub(super) fn of(fields: &Fields<'_>) -> Result<Self, CallError> {
        let name = fields.text("channel")?;
        CHANNELS.into_iter().find(|channel| channel.name == name).ok_or_else(|| {
            let known = CHANNELS.map(|channel| channel.name).join(", ");
            let message = format!("`{}` is `{name}`, and must be one of {known}", fields.path("channel"));
            refused("unknown_channel", message)
        })
    }
}

/// A language that the outside world writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Spanish; in some countries people are addressed as `vos`.
    Spanish {
        /// True where they are.
        voseo: bool,
    },
    /// English.
    English,
}

impl Language {
    /// Reads the field `locale`: the language, and the tag as given.
    pub(super) fn of<'a>(fields: &Fields<'a>) -> Result<(Self, &'a str), CallError> {
        let locale = fields.text("locale")?;
        let (language, rest) = locale.split_once(['-', '_']).unwrap_or((locale, ""));
        match language.to_ascii_lowercase().as_str() {
            "es" => {
                let voseo = ["AR", "CR", "NI", "PY", "UY"];
                let voseo = rest.split(['-', '_']).any(|part| voseo.contains(&&*part.to_ascii_uppercase()));
                Ok((Self::Spanish { voseo }, locale))
            }
            "en" => Ok((Self::English, locale)),
            _ => {
                let name = fields.path("locale");
                let message = format!("`{name}` is `{locale}`, and must be of es or en, such as es-CR");
                Err(refused("unsupported_locale", message))
            }
        }
    }
}
