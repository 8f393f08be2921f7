//! The template writer: ad copy in Spanish and English, made of a brief; for each channel in its own tone.
//!
//! It is a pure function: which of a channel's templates is taken follows from the name, the channel and the kind.
//! The user's own words are not translated.

mod english;
mod layout;
mod spanish;
#[cfg(test)]
mod tests;

use self::layout::{Template, Values, cut};
use super::channel::{Channel, Language};
use super::request::digest64;

/// The most characters of an alternative text.
const ALT_TEXT: usize = 250;

/// The longest address that goes into a short message as it is, in characters.
const SHORT_ADDRESS: usize = 40;

/// The kinds of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Copy.
    Text,
    /// A picture; its text is the prompt that it is made of.
    Image,
    /// A clip; its text is the storyboard.
    Video,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Text, Self::Image, Self::Video];

    /// The wire name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
        }
    }

    /// The file format of its media.
    pub(super) const fn format(self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Image => Some("webp"),
            Self::Video => Some("mp4"),
        }
    }
}

/// What a brief says, in the user's words.
#[derive(Debug)]
pub(super) struct Material<'a> {
    /// The campaign's name.
    pub(super) name: &'a str,
    /// What it says.
    pub(super) message: Option<&'a str>,
    /// Whom it is for.
    pub(super) audience: Option<&'a str>,
    /// What it is about.
    pub(super) description: Option<&'a str>,
    /// Where it leads.
    pub(super) url: Option<&'a str>,
    /// Words to be avoided where another template does without them.
    pub(super) forbidden: Vec<&'a str>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) struct Wanted {
    /// For which channel.
    pub(super) channel: Channel,
    /// In which language.
    pub(super) language: Language,
    /// Of which kind.
    pub(super) kind: Kind,
    /// The most characters.
    pub(super) max: usize,
}

/// Writes a piece.
pub(super) fn write(material: &Material<'_>, wanted: &Wanted) -> String {
    let values = values(material, wanted);
    let templates = match wanted.language {
        Language::Spanish { .. } => spanish::templates(wanted.channel.name, wanted.kind),
        Language::English => english::templates(wanted.channel.name, wanted.kind),
    };
    let parts = [material.name, wanted.channel.name, wanted.kind.name()];
    let first = usize::try_from(digest64("sandbox variant", &parts) % templates.len() as u64)
        .expect("a remainder is less than a length");

    let aim = match wanted.kind {
        Kind::Text => wanted.channel.aim.min(wanted.max),
        Kind::Image | Kind::Video => wanted.max,
    };
    let text = |place: usize| {
        let template: Template = templates[place % templates.len()];
        layout::fit(template, &values, aim, wanted.max)
    };
    let allowed = (first..first + templates.len()).map(text).find(|text| !says(text, &material.forbidden));
    allowed.unwrap_or_else(|| text(first))
}

/// Describes a picture or clip for those who do not see it.
pub(super) fn alt_text(material: &Material<'_>, language: Language, kind: Kind) -> String {
    let title = title(material.name);
    let message = message(material, language);
    let text = match (language, kind) {
        (Language::Spanish { .. }, Kind::Video) => format!("Video de la campaña {title}: {message}"),
        (Language::Spanish { .. }, Kind::Text | Kind::Image) => {
            format!("Imagen de la campaña {title}: {message}")
        }
        (Language::English, Kind::Video) => format!("Video of the {title} campaign: {message}"),
        (Language::English, Kind::Text | Kind::Image) => {
            format!("Picture of the {title} campaign: {message}")
        }
    };
    cut(&text, ALT_TEXT)
}

fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().map(|word| word.trim().to_lowercase()).any(|word| !word.is_empty() && text.contains(&word))
}

/// What stands for the names in templates.
fn values(material: &Material<'_>, wanted: &Wanted) -> Values {
    let mut values = Values::default();
    let title = title(material.name);
    values.set("tag", tag(&title));
    values.set("title", Some(title));
    values.set("message", Some(message(material, wanted.language)));
    values.set("audience", material.audience.map(phrase));
    // Where there is no message, the description is said in its place.
    values.set("description", material.message.and(material.description).map(sentence));
    let url = material.url.map(tidy);
    values.set("noUrl", url.is_none().then(String::new));
    values.set("shortUrl", Some(short_url(url.as_deref(), material.name)));
    values.set("url", url);
    values.set("ratio", Some(wanted.channel.ratio.to_owned()));
    if let Language::Spanish { voseo } = wanted.language {
        for (name, vos, tu) in spanish::VERBS {
            values.set(name, Some((if voseo { vos } else { tu }).to_owned()));
        }
    }
    values
}

fn message(material: &Material<'_>, language: Language) -> String {
    match (material.message.or(material.description), language) {
        (Some(message), _) => sentence(message),
        (None, Language::Spanish { .. }) => spanish::MESSAGE.to_owned(),
        (None, Language::English) => english::MESSAGE.to_owned(),
    }
}

/// An address short enough for a short message: the page's own, or one that leads there.
fn short_url(url: Option<&str>, name: &str) -> String {
    match url {
        Some(url) if url.chars().count() <= SHORT_ADDRESS => url.to_owned(),
        _ => {
            let digest = digest64("sandbox short link", &[url.unwrap_or_default(), name]);
            format!("https://go.example/{:08x}", digest >> 32)
        }
    }
}

/// A text on one line, without doubled spaces.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name without a leading word that only says that it is one of a campaign.
fn title(name: &str) -> String {
    let name = tidy(name);
    let rest = name.split_once(' ').filter(|(first, _)| {
        ["campaña", "campaign", "campana"].contains(&first.to_lowercase().trim_end_matches(':'))
    });
    rest.map_or(name.as_str(), |(_, rest)| rest).trim_end_matches(['.', ':', ',']).to_owned()
}

/// A text as a sentence.
fn sentence(text: &str) -> String {
    let mut text = tidy(text);
    if !text.ends_with(['.', '!', '?', '…', ':']) {
        text.push('.');
    }
    text
}

/// A text as a part of a sentence: no full stop, and a small letter where the word is not all capitals.
fn phrase(text: &str) -> String {
    let text = tidy(text);
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

/// The hashtag of a title, of as many of its words as make 40 characters.
fn tag(title: &str) -> Option<String> {
    let mut tag = String::new();
    for word in title.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if tag.chars().count() + word.chars().count() > 40 {
            break;
        }
        let mut letters = word.chars();
        tag.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        tag.push_str(letters.as_str());
    }
    (!tag.is_empty()).then(|| format!("#{tag}"))
}
