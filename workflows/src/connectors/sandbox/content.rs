//! The connector `content`: writes the pieces of a campaign, and puts them away.

use std::sync::Arc;

use async_trait::async_trait;
use promptsales_engine::effect::{Call, CallError, Connector, Verified};
use serde_json::{Value, json};

use super::channel::{Channel, Language};
use super::request::{Fields, id_of, invalid, refused, unknown_operation};
use super::state::Change;
use super::templates::{self, Kind, Material, Wanted};
use super::{Deed, Sandbox};

pub(super) const NAME: &str = "content";
pub(super) const OPERATIONS: &[&str] = &["generate", "archive"];

/// The least length that a piece can be asked to keep to, in characters.
const LEAST_LENGTH: usize = 20;

/// The connector `content`, played by a sandbox: `generate` and `archive`.
#[derive(Debug)]
pub struct Content {
    sandbox: Arc<Sandbox>,
}

impl Content {
    /// Takes the sandbox that plays it.
    pub const fn new(sandbox: Arc<Sandbox>) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Connector for Content {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operations(&self) -> &'static [&'static str] {
        OPERATIONS
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        self.sandbox.call(NAME, &call, plan).await
    }

    async fn verify(&self, call: Call<'_>) -> Result<Verified, CallError> {
        self.sandbox.verify(NAME, &call, plan)
    }
}

fn plan(call: &Call<'_>) -> Result<Deed, CallError> {
    let request = Fields::of_request(call.request)?;
    match call.operation {
        "generate" => generate(call, &request),
        "archive" => archive(&request),
        other => Err(unknown_operation(NAME, other)),
    }
}

/// Puts a piece away by its id, or by the caller's own name for it: who got no answer has no id.
fn archive(request: &Fields<'_>) -> Result<Deed, CallError> {
    let job_id = request.optional_text("jobId")?.map(str::to_owned);
    let reference = request.optional_text("reference")?.map(str::to_owned);
    if job_id.is_none() && reference.is_none() {
        return Err(invalid("jobId", "is missing, and so is `reference`: give one of them"));
    }
    Ok(Deed { change: Change::Archive { job_id, reference }, answer: json!({ "archived": true }) })
}

fn generate(call: &Call<'_>, request: &Fields<'_>) -> Result<Deed, CallError> {
    let brief = request.object("brief")?;
    let material = Material {
        name: brief.text("name")?,
        message: brief.optional_text("campaignMessage")?,
        audience: brief.optional_text("targetAudience")?,
        description: brief.optional_text("description")?,
        url: brief.optional_text("landingUrl")?,
        forbidden: brief.texts("forbiddenWords"),
    };
    let channel = Channel::of(request)?;
    let (language, locale) = Language::of(request)?;
    let kind = kind_of(request)?;
    let length = request.optional_length("maxLength", LEAST_LENGTH)?;

    let max = length.map_or(channel.limit, |length| length.min(channel.limit));
    let text = templates::write(&material, &Wanted { channel, language, kind, max });
    let words = text.split_whitespace().count();
    let media = kind.format().map(|format| {
        let media_id = id_of("media", call.key);
        let url = format!("https://media.example/{media_id}.{format}");
        let alt = templates::alt_text(&material, language, kind);
        json!({ "mediaId": media_id, "url": url, "format": format, "altText": alt })
    });

    let job_id = id_of("job", call.key);
    let answer = json!({ "jobId": job_id, "text": text, "media": media, "words": words });
    let (channel, locale, kind) = (channel.name.to_owned(), locale.to_owned(), kind.name().to_owned());
    let reference = request.optional_text("reference")?.map(str::to_owned);
    Ok(Deed { change: Change::Generate { job_id, reference, channel, locale, kind }, answer })
}

fn kind_of(request: &Fields<'_>) -> Result<Kind, CallError> {
    let name = request.text("kind")?;
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let message = format!("`kind` is `{name}`, and must be one of text, image, video");
        refused("unknown_kind", message)
    })
}
