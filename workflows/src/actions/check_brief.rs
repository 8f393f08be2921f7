//! `brief.check`: a brief is complete, and can be carried out.

use promptsales_actors::value::Brief;
use promptsales_actors::value::brief::PieceWanted;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::create_content::can_write;

/// Checks a brief, and says what it asks for.
pub struct CheckBrief;

/// What [`CheckBrief`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The brief.
    pub brief: Brief,
}

/// Who approves a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// The rule of the spend limit.
    Automatic,
    /// A person.
    Required,
}

/// What [`CheckBrief`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The pieces of content that it asks for.
    pub pieces: Vec<PieceWanted>,
    /// Who approves it.
    pub approval: Approval,
}

impl Action for CheckBrief {
    const NAME: &'static str = "brief.check";
    const SUMMARY: &'static str =
        "Checks that a brief is complete, and lists the pieces of content it asks for.";
    const COMPENSATES: bool = false;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, _: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        let brief = &input.brief;
        let pieces = brief.pieces().map_err(|e| WorkflowError::action(e.code(), 422, e.to_string()))?;
        for locale in &brief.locales {
            can_write(locale)?;
        }
        let approval = if brief.needs_approval() { Approval::Required } else { Approval::Automatic };
        Ok(Next::Done(Output { pieces, approval }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::actions::testkit::{brief, cx, next};

    #[test]
    fn it_lists_the_pieces_and_says_who_approves() {
        let done = next::<CheckBrief>(&json!({ "brief": brief() }), &[], &cx());
        let Ok(Next::Done(output)) = done else { panic!("{done:?}") };
        assert_eq!(output["pieces"].as_array().unwrap().len(), 4);
        assert_eq!(output["approval"], "automatic");
        let mut dear = brief();
        dear["spendLimit"] = json!({ "amountMinor": 1, "currency": "USD" });
        let done = next::<CheckBrief>(&json!({ "brief": dear }), &[], &cx());
        assert!(matches!(done, Ok(Next::Done(output)) if output["approval"] == "required"));
    }

    #[test]
    fn what_cannot_be_carried_out_is_told() {
        let code = |brief: serde_json::Value| {
            let error = next::<CheckBrief>(&json!({ "brief": brief }), &[], &cx()).unwrap_err();
            (error.kind.trim_start_matches("urn:promptsales:error:").to_owned(), error.detail.unwrap())
        };
        let (incomplete, told) = code(json!({ "name": "Verano" }));
        assert_eq!(incomplete, "brief_incomplete");
        assert!(told.contains("targetAudience") && told.contains("budget"), "{told}");
        let mut french = brief();
        french["locales"] = json!(["fr"]);
        assert_eq!(code(french).0, "locale_not_supported");
    }
}
