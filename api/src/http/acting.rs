//! What an operator sends to act on what was set aside: why, and on which of them.

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Answer, Fault};
use promptsales_engine::id::{StreamId, StreamKey};
use promptsales_engine::journal::Outcome;
use promptsales_engine::runtime::Act;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::JsonBody;
use super::caller::Caller;
use super::paging::encoded;
use super::problem::{Code, Problem};
use crate::app::App;

/// How many an act in bulk looks at in one request; its answer says where to go on.
pub const LOOKED_AT: usize = 500;

/// The query parameters of [`Conditions`].
pub const CONDITIONS: &[(&str, &str)] = &[
    ("kind", "only those of entities of this kind, in its plural"),
    ("target", "only those of this entity"),
    ("cause", "only those whose cause contains this text"),
    ("since", "only those set aside at or after this moment (RFC 3339)"),
    ("until", "only those set aside before this moment (RFC 3339)"),
];

/// Which of the things that were set aside are meant, as a client says it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Conditions {
    kind: Option<String>,
    target: Option<String>,
    cause: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// Which of the things that were set aside are meant.
#[derive(Debug, Default)]
pub struct Filter {
    prefix: Option<promptsales_engine::id::Prefix>,
    target: Option<StreamId>,
    cause: Option<String>,
    since: Option<Timestamp>,
    /// Those of later are left out.
    pub until: Option<Timestamp>,
}

impl Conditions {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// A problem that names the parameter.
    pub fn read(&self, app: &App) -> Result<Filter, Problem> {
        let wrong =
            |name: &str, why: String| Problem::new(Code::InvalidParameter, format!("`{name}`: {why}"));
        let prefix = |plural: &String| {
            let kind = app.node().catalog().by_plural(plural).map(|kind| kind.kind.prefix);
            kind.ok_or_else(|| wrong("kind", format!("there is no kind `{plural}`")))
        };
        let id = |text: &String| text.parse::<StreamId>().map_err(|e| wrong("target", e.to_string()));
        let moment = |name, text: &Option<String>| {
            text.as_ref().map(|t| t.parse::<Timestamp>().map_err(|e| wrong(name, e.to_string()))).transpose()
        };
        Ok(Filter {
            prefix: self.kind.as_ref().map(prefix).transpose()?,
            target: self.target.as_ref().map(id).transpose()?,
            cause: self.cause.as_ref().map(|text| text.to_lowercase()),
            since: moment("since", &self.since)?,
            until: moment("until", &self.until)?,
        })
    }

    /// The same for the path of a next page.
    pub fn path(&self) -> String {
        let parts = [
            ("kind", &self.kind),
            ("target", &self.target),
            ("cause", &self.cause),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let given =
            parts.iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_ref()?))));
        given.collect()
    }
}

impl Filter {
    /// True if something fits that was set aside.
    pub fn fits(&self, target: &StreamId, cause: &str, at: Timestamp) -> bool {
        self.prefix.is_none_or(|prefix| prefix == target.prefix())
            && self.target.is_none_or(|wanted| wanted == *target)
            && self.cause.as_ref().is_none_or(|part| cause.to_lowercase().contains(part))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}

/// The body of an act on one thing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Single {
    /// Why.
    pub why: String,
}

/// The body of an act in bulk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    why: String,
    #[serde(default)]
    all: Option<bool>,
    kind: Option<String>,
    target: Option<String>,
    cause: Option<String>,
    since: Option<String>,
    until: Option<String>,
    /// The `next` of an earlier answer.
    pub cursor: Option<String>,
}

impl Bulk {
    /// Which are meant. Where nothing is said, `all` has to be.
    ///
    /// # Errors
    ///
    /// A problem that names what is wrong.
    pub fn filter(&self, app: &App) -> Result<Filter, Problem> {
        let given = [&self.kind, &self.target, &self.cause, &self.since, &self.until];
        if given.iter().all(|condition| condition.is_none()) && self.all != Some(true) {
            let detail =
                "say which are meant (`kind`, `target`, `cause`, `since`, `until`), or `\"all\": true`";
            return Err(Problem::new(Code::InvalidBody, detail));
        }
        let Self { kind, target, cause, since, until, .. } = self;
        let (kind, target, cause) = (kind.clone(), target.clone(), cause.clone());
        Conditions { kind, target, cause, since: since.clone(), until: until.clone() }.read(app)
    }

    /// The act on one of those that are meant; under a key of the caller it counts once for each.
    pub fn act(&self, app: &App, caller: &Caller, body: &JsonBody, id: &StreamId) -> Act {
        let dedup = caller.dedup_each(&app.node().info().secret, id, body.0.text());
        Act { why: self.why.clone(), origin: caller.origin.clone(), dedup }
    }
}

impl Single {
    /// The act.
    pub fn act(self, app: &App, caller: &Caller, body: &JsonBody) -> Act {
        let dedup = caller.dedup(&app.node().info().secret, body.0.text());
        Act { why: self.why, origin: caller.origin.clone(), dedup }
    }
}

/// What came of an act in bulk.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    /// Those that were acted on.
    pub done: Vec<StreamId>,
    /// Those that were not, with the reason.
    pub refused: Vec<Value>,
    /// Where to go on, as `cursor` beside the same conditions and this `until`; null at the end.
    pub next: Option<String>,
    /// What was set aside from then on is left out.
    pub until: Option<Timestamp>,
}

impl Done {
    /// Notes what became of one.
    ///
    /// # Errors
    ///
    /// A reason that is none, since that concerns all of them.
    pub fn note(&mut self, id: StreamId, answer: Result<Answer, Fault>) -> Result<(), Problem> {
        let problem: Problem = match answer {
            Ok(Answer { outcome: Outcome::Accepted(_), .. }) => {
                self.done.push(id);
                return Ok(());
            }
            Ok(Answer { outcome: Outcome::Rejected(rejected), .. }) => rejected.into(),
            Err(fault) => fault.into(),
        };
        if problem.code() == "no_reason" {
            return Err(problem);
        }
        self.refused.push(json!({ "id": id, "code": problem.code(), "detail": problem.detail() }));
        Ok(())
    }
}

/// The plural of the kind that an id is of.
pub fn kind_of(app: &App, id: &StreamId) -> &'static str {
    app.node().catalog().by_prefix(id.prefix()).map_or("unknown", |kind| kind.kind.plural)
}

/// The stream of an id in a path, of the caller's tenant.
///
/// # Errors
///
/// A problem where it is no id.
pub fn stream_of(caller: &Caller, text: &str) -> Result<StreamKey, Problem> {
    let id = text.parse::<StreamId>().map_err(|e| Problem::new(Code::InvalidId, e.to_string()))?;
    Ok(StreamKey::new(caller.tenant.clone(), id))
}

/// The schema of a body that says why.
pub fn why_schema() -> Value {
    json!({
        "type": "object", "required": ["why"], "additionalProperties": false,
        "properties": { "why": { "type": "string", "minLength": 1, "maxLength": 1_000 } }
    })
}

/// The schema of a body that says why, and which.
pub fn bulk_schema() -> Value {
    let mut schema = why_schema();
    for (name, meaning) in CONDITIONS {
        schema["properties"][*name] = json!({ "type": "string", "description": meaning });
    }
    schema["properties"]["all"] = json!({ "type": "boolean", "description": "where no condition is given" });
    schema["properties"]["cursor"] =
        json!({ "type": "string", "description": "the `next` of an earlier answer" });
    schema
}

/// The schema of what came of an act in bulk.
pub fn done_schema() -> Value {
    json!({
        "type": "object", "required": ["done", "refused", "next", "until"],
        "properties": {
            "done": { "type": "array", "items": { "type": "string" } },
            "refused": { "type": "array", "items": { "type": "object", "required": ["id", "code", "detail"] } },
            "next": { "type": ["string", "null"], "description": "`cursor` of the next request" },
            "until": { "type": ["string", "null"], "description": "`until` of the next request" }
        }
    })
}
