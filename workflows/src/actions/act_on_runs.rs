//! `runs.act`: does something to many runs, one page of them at a time.

use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::connectors::runs::{ACT, Act, Acted, After, Asked, CONNECTOR, Each, FIND, Find, Page, Refusal};

/// Finds the next page of the runs that are meant, and does to each what is asked.
pub struct ActOnRuns;

/// What [`ActOnRuns`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// What is done.
    pub act: Act,
    /// Its fields, as the same act on one run takes them.
    #[serde(default)]
    pub with: Option<Map<String, Value>>,
    /// To which runs: the filters of their list by name, each a text, number or truth value, or a list of texts.
    #[serde(default)]
    pub filter: Option<Map<String, Value>>,
    /// True where no filter is given, and all are meant.
    #[serde(default)]
    pub all: Option<bool>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Behind what to go on: the `next` of the page before.
    #[serde(default)]
    pub after: Option<After>,
}

/// What [`ActOnRuns`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// To how many runs of the page it was done.
    pub done: u64,
    /// Those that refused it, or could not be reached.
    pub refused: Vec<Refusal>,
    /// Where the next page begins; null at the end.
    pub next: Option<After>,
}

impl Action for ActOnRuns {
    const NAME: &'static str = "runs.act";
    const SUMMARY: &'static str = "Does something to many runs, one page of them at a time.";
    const COMPENSATES: bool = false;
    const EFFECTS: &'static [(&'static str, &'static str)] = &[(CONNECTOR, FIND), (CONNECTOR, ACT)];

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        let asked = Asked {
            act: input.act,
            with: input.with.clone().unwrap_or_default(),
            filter: input.filter.clone().unwrap_or_default(),
            all: input.all.unwrap_or_default(),
            reason: input.reason.clone(),
        };
        if steps.is_empty() {
            asked.check().map_err(|wrong| WorkflowError::standard("validation", 400, wrong.to_string()))?;
            let find = Find { asked, after: input.after };
            return Ok(Next::effect(CONNECTOR, FIND, &json!(find)));
        }
        let Page { runs, mut refused, next } = read(&steps.get(0)?)?;
        let acted = match (steps.len(), runs.is_empty()) {
            (1, true) => Acted::default(),
            (1, false) => return Ok(Next::effect(CONNECTOR, ACT, &json!(Each { asked, runs }))),
            _ => read(&steps.get(1)?)?,
        };
        refused.extend(acted.refused);
        Ok(Next::Done(Output { done: acted.done, refused, next }))
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: &Value) -> Result<T, WorkflowError> {
    T::deserialize(answer).map_err(|e| WorkflowError::standard("runtime", 500, format!("the answer: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{confirmed, cx, effect, next, refused};

    const RUN: &str = "run_01h455vb4pex5vsknk084sn02q";

    #[test]
    fn a_page_is_found_and_acted_on() {
        let input = json!({ "act": "pause", "filter": { "workflow": "w" }, "reason": "why" });
        let (connector, operation, request) = effect(next::<ActOnRuns>(&input, &[], &cx()));
        assert_eq!(
            (connector.as_str(), operation.as_str(), &request["after"]),
            ("runs", "find", &Value::Null)
        );
        assert_eq!(request["asked"]["filter"], json!({ "workflow": "w" }));
        let unreached = json!({ "run": RUN, "code": "quarantined", "detail": "no" });
        let after = json!({ "before": 7, "asker": 9 });
        let found = confirmed(&json!({ "runs": [RUN], "refused": [unreached], "next": after }));
        let (_, operation, request) = effect(next::<ActOnRuns>(&input, std::slice::from_ref(&found), &cx()));
        assert_eq!((operation.as_str(), &request["runs"]), ("act", &json!([RUN])));
        let ended = json!({ "run": RUN, "code": "run_ended", "detail": "no" });
        let acted = confirmed(&json!({ "done": 0, "refused": [ended] }));
        let done = next::<ActOnRuns>(&input, &[found, acted], &cx());
        let output = json!({ "done": 0, "refused": [unreached, ended], "next": after });
        assert_eq!(done, Ok(Next::Done(output)));
        let mut input = input;
        input["after"] = after.clone();
        let (.., request) = effect(next::<ActOnRuns>(&input, &[], &cx()));
        assert_eq!(request["after"], after);
    }

    #[test]
    fn an_empty_page_needs_no_act() {
        let input = json!({ "act": "resume", "all": true });
        let found = confirmed(&json!({ "runs": [], "refused": [], "next": null }));
        let output = json!({ "done": 0, "refused": [], "next": null });
        assert_eq!(next::<ActOnRuns>(&input, &[found], &cx()), Ok(Next::Done(output)));
    }

    #[test]
    fn what_means_nothing_is_told_before_anything_is_done() {
        let error = next::<ActOnRuns>(&json!({ "act": "cancel" }), &[], &cx()).unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.detail.unwrap().contains("`filter`"));
        let steps = [refused("invalid_act", "no")];
        let error = next::<ActOnRuns>(&json!({ "act": "cancel", "all": true }), &steps, &cx());
        assert_eq!(error.unwrap_err().status, 422);
    }
}
