//! `content.create`: one piece of content, from its brief to the finished piece.

use promptsales_actors::content_job::{self, JobBrief};
use promptsales_actors::value::brief::PieceWanted;
use promptsales_actors::value::{Attributes, Brief, Locale, Piece};
use promptsales_actors::{campaign, value::Text};
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::undoing;

/// The connector that makes content.
const CONNECTOR: &str = "content";

/// Has a piece of content made by a content job; undone, both are archived.
pub struct CreateContent;

/// What [`CreateContent`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign that it is for.
    pub campaign_id: campaign::Id,
    /// The campaign's brief.
    pub brief: Brief,
    /// The piece that is wanted.
    pub piece: PieceWanted,
}

/// A piece of content, with the job that made it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct CreatedContent {
    /// The job.
    pub job_id: content_job::Id,
    /// The piece.
    pub piece: Piece,
}

/// Refuses a language in which no content can be written.
pub(super) fn can_write(locale: &Locale) -> Result<(), WorkflowError> {
    if ["es", "en"].contains(&locale.language()) {
        return Ok(());
    }
    let detail =
        format!("content cannot be written in `{locale}`: use Spanish (`es`, `es-CR`) or English (`en`)");
    Err(WorkflowError::action("locale_not_supported", 422, detail))
}

impl Action for CreateContent {
    const NAME: &'static str = "content.create";
    const SUMMARY: &'static str = "Has one piece of content made for a channel, in a language.";
    const COMPENSATES: bool = true;
    const EFFECTS: &'static [(&'static str, &'static str)] =
        &[(CONNECTOR, "generate"), (CONNECTOR, "archive")];

    type Input = Input;
    type Output = CreatedContent;

    fn next(input: &Input, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<CreatedContent>, WorkflowError> {
        can_write(&input.piece.locale)?;
        let job = cx.id::<content_job::Kind>("job");
        match steps.len() {
            0 => Ok(Next::command(job.stream(), "brief", &json!(job_brief(input)?))),
            1 => {
                steps.get(0)?;
                Ok(Next::effect(CONNECTOR, "generate", &request(input, job)))
            }
            2 => match made(input, steps) {
                Ok(piece) => Ok(Next::command(job.stream(), "record-generated", &json!({ "piece": piece }))),
                Err(error) => Ok(Next::command(job.stream(), "fail", &failure(&error))),
            },
            _ => {
                let piece = made(input, steps)?;
                steps.get(2)?;
                Ok(Next::Done(CreatedContent { job_id: job, piece }))
            }
        }
    }

    fn undo(_: &Input, done: Steps<'_>, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<()>, WorkflowError> {
        let job = cx.id::<content_job::Kind>("job");
        let outside = usize::from(done.len() >= 2 && undoing::may_have_happened(done, 1));
        if outside == 1 && steps.is_empty() {
            let mut request = json!({ "reference": job });
            if let Some(id) = undoing::answered(done, 1, "jobId") {
                request["jobId"] = json!(id);
            }
            return Ok(Next::effect(CONNECTOR, "archive", &request));
        }
        for index in 0..steps.len() {
            undoing::taken_back(steps, index)?;
        }
        if steps.len() == outside {
            let body = json!({ "reason": undoing::reason(cx) });
            return Ok(Next::command(job.stream(), "archive", &body));
        }
        Ok(Next::Done(()))
    }
}

fn job_brief(input: &Input) -> Result<JobBrief, WorkflowError> {
    let (brief, piece) = (&input.brief, &input.piece);
    let message = brief.campaign_message.clone().ok_or_else(|| {
        WorkflowError::action("brief_incomplete", 422, "the brief is not complete: add campaignMessage")
    })?;
    Ok(JobBrief {
        campaign_id: Some(input.campaign_id.stream()),
        channel: piece.channel,
        locale: piece.locale.clone(),
        kind: piece.kind,
        name: brief.name.clone(),
        message,
        audience: brief.target_audience.clone(),
        description: brief.description.clone(),
        landing_url: brief.landing_url.clone(),
        forbidden_words: brief.forbidden_words.clone(),
        external_key: None,
        attributes: Attributes::default(),
    })
}

/// What the provider is asked for: what it needs to know of the brief, and our own reference.
fn request(input: &Input, job: content_job::Id) -> Value {
    let (brief, piece) = (&input.brief, &input.piece);
    json!({
        "reference": job,
        "brief": {
            "name": brief.name,
            "description": brief.description,
            "targetAudience": brief.target_audience,
            "campaignMessage": brief.campaign_message,
            "landingUrl": brief.landing_url,
            "forbiddenWords": brief.forbidden_words,
        },
        "channel": piece.channel,
        "locale": piece.locale,
        "kind": piece.kind,
        "maxLength": piece.channel.text_limit(),
    })
}

/// Reads the piece that the provider made.
fn made(input: &Input, steps: Steps<'_>) -> Result<Piece, WorkflowError> {
    let answer = steps.get(1)?;
    let wanted = &input.piece;
    let mut piece = json!({
        "contentId": answer["jobId"],
        "kind": wanted.kind,
        "channel": wanted.channel,
        "locale": wanted.locale,
        "text": answer["text"],
    });
    for optional in ["headline", "media"] {
        if let Some(value) = answer.get(optional).filter(|value| !value.is_null()) {
            piece[optional] = value.clone();
        }
    }
    serde_json::from_value(piece).map_err(|e| {
        let detail = format!("the provider's answer cannot be read as a piece of content: {e}");
        WorkflowError::action("content_unreadable", 502, detail)
    })
}

fn failure(error: &WorkflowError) -> Value {
    let code = error.kind.rsplit(':').next().unwrap_or_default();
    let code: Text<200> = undoing::text(code);
    let message: Text<2000> = undoing::text(error.detail.as_deref().unwrap_or_default());
    json!({ "code": code, "message": message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{
        CAMPAIGN, accepted, brief, command, confirmed, cx, effect, failed_with, next, refused, rejected,
        undo, unknown,
    };

    fn input() -> Value {
        let piece = json!({ "channel": "instagram", "locale": "es-CR", "kind": "image" });
        json!({ "campaignId": CAMPAIGN, "brief": brief(), "piece": piece })
    }

    fn answer() -> Value {
        let media = json!({
            "mediaId": "media-1", "url": "https://media.example/media-1.webp", "format": "webp",
            "altText": "Una playa",
        });
        json!({ "jobId": "job-9", "text": "Una playa al amanecer", "media": media, "words": 4 })
    }

    #[test]
    fn a_job_is_briefed_the_piece_made_and_noted() {
        let input = input();
        let none = accepted(&json!(null));
        let (job, name, body) = command(next::<CreateContent>(&input, &[], &cx()));
        assert_eq!((name.as_str(), &body["channel"]), ("brief", &json!("instagram")));
        let (connector, operation, request) =
            effect(next::<CreateContent>(&input, std::slice::from_ref(&none), &cx()));
        assert_eq!((connector.as_str(), operation.as_str()), ("content", "generate"));
        assert_eq!((&request["reference"], &request["maxLength"]), (&json!(job), &json!(2200)));
        let steps = [none.clone(), confirmed(&answer()), none];
        let (to, name, body) = command(next::<CreateContent>(&input, &steps[..2], &cx()));
        assert_eq!((to, name.as_str()), (job.clone(), "record-generated"));
        assert_eq!(body["piece"]["contentId"], "job-9");
        let Ok(Next::Done(output)) = next::<CreateContent>(&input, &steps, &cx()) else { panic!() };
        assert_eq!(
            (&output["jobId"], &output["piece"]["media"]["mediaId"]),
            (&json!(job), &json!("media-1"))
        );
    }

    #[test]
    fn what_cannot_be_made_is_noted_and_raised() {
        let none = accepted(&json!(null));
        let steps = [none.clone(), refused("policy", "no alcohol"), none];
        let (_, name, body) = command(next::<CreateContent>(&input(), &steps[..2], &cx()));
        assert_eq!((name.as_str(), body), ("fail", json!({ "code": "policy", "message": "no alcohol" })));
        let error = next::<CreateContent>(&input(), &steps, &cx()).unwrap_err();
        assert_eq!((error.kind.as_str(), error.status), ("urn:promptsales:error:policy", 422));
        let mut french = input();
        french["piece"]["locale"] = json!("fr");
        let error = next::<CreateContent>(&french, &[], &cx()).unwrap_err();
        assert_eq!(error.kind, "urn:promptsales:error:locale_not_supported");
    }

    #[test]
    fn undone_piece_and_job_are_archived() {
        let (input, why, none) = (input(), failed_with("x", "y"), accepted(&json!(null)));
        let made = [none.clone(), confirmed(&answer()), none.clone()];
        let (_, operation, request) = effect(undo::<CreateContent>(&input, &made, &[], &why));
        assert_eq!((operation.as_str(), &request["jobId"]), ("archive", &json!("job-9")));
        let lost = [none.clone(), unknown()];
        let (_, _, request) = effect(undo::<CreateContent>(&input, &lost, &[], &why));
        assert!(request.get("jobId").is_none() && request["reference"].is_string(), "{request}");
        let archived = confirmed(&json!({ "archived": true }));
        let (_, name, _) =
            command(undo::<CreateContent>(&input, &made, std::slice::from_ref(&archived), &why));
        assert_eq!(name, "archive");
        let all = [archived, none.clone()];
        assert_eq!(undo::<CreateContent>(&input, &made, &all, &why), Ok(Next::Done(Value::Null)));
        for part in [vec![none.clone()], vec![none, refused("policy", "no")]] {
            let (_, name, _) = command(undo::<CreateContent>(&input, &part, &[], &why));
            assert_eq!(name, "archive", "only the job");
            let gone = undo::<CreateContent>(&input, &part, &[rejected("not_found")], &why);
            assert_eq!(gone, Ok(Next::Done(Value::Null)));
        }
    }
}
