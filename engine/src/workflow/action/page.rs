//! The page of an action: what it does, takes, gives and calls outside, in Markdown, made of what the action declares.

use std::fmt::Write as _;

use serde_json::Value;

use super::{ActionInfo, CallTerms};
use crate::effect::OnUnknown;

/// How deep objects in arguments and outputs are gone into.
const DEEPEST: usize = 3;

impl ActionInfo {
    /// The page; `terms` are those of its calls outside.
    pub fn page(&self, terms: &[CallTerms]) -> String {
        let mut page = format!("# `{}` {}\n\n{}\n\n", self.name, self.version, self.summary);
        page.push_str(match self.compensates {
            true => "When its saga is undone, what it did is taken back.\n",
            false => "It changes nothing that could be taken back.\n",
        });
        section(&mut page, "Arguments", &self.input);
        section(&mut page, "Output", &self.output);
        if !terms.is_empty() {
            page.push_str("\n## Calls outside\n\n");
            page.push_str("| call | one may take | again after a failure | when it is not known whether it was done |\n");
            page.push_str("|---|---|---|---|\n");
            for term in terms {
                let CallTerms { connector, operation, policy } = term;
                let unknown = match policy.on_unknown {
                    OnUnknown::Retry => "called again under the same key",
                    OnUnknown::Verify => "looked up, and called again if it was not done",
                    OnUnknown::Park => "a person decides",
                };
                let (deadline, retries) = (policy.deadline.as_millis(), policy.retries);
                let _ = writeln!(
                    page,
                    "| `{connector}.{operation}` | {deadline} ms | {retries} times | {unknown} |"
                );
            }
        }
        page.push_str("\n## In a definition\n\n```yaml\n");
        let task = self.name.rsplit('.').next().unwrap_or(self.name);
        let _ = writeln!(page, "- {task}:\n    call: {}", self.name);
        let needed = needed(&self.input);
        if !needed.is_empty() {
            page.push_str("    with:\n");
            for name in needed {
                let _ = writeln!(page, "      {name}: ${{ .{name} }}");
            }
        }
        page.push_str("```\n");
        page
    }
}

fn section(page: &mut String, title: &str, schema: &Value) {
    let mut rows = Vec::new();
    fields("", schema, DEEPEST, &mut rows);
    let _ = write!(page, "\n## {title}\n\n");
    match rows.is_empty() {
        true => {
            let _ = writeln!(page, "{}.", capital(&type_of(schema)));
        }
        false => {
            page.push_str("| field | type | | meaning |\n|---|---|---|---|\n");
            rows.iter().for_each(|row| page.push_str(row));
        }
    }
}

/// The names of the fields that have to be given.
fn needed(schema: &Value) -> Vec<&str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A row for each field of an object, and for those in it.
fn fields(path: &str, schema: &Value, deep: usize, rows: &mut Vec<String>) {
    let (schema, end) = inside(schema);
    let Some(properties) = schema["properties"].as_object().filter(|_| deep > 0) else { return };
    let needed = needed(schema);
    for (name, field) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}{end}.{name}") };
        let need = if needed.contains(&name.as_str()) { "needed" } else { "" };
        let meaning =
            field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        rows.push(format!("| `{path}` | {} | {need} | {meaning} |\n", type_of(field).replace('|', "\\|")));
        fields(&path, field, deep - 1, rows);
    }
}

/// The schema of what is in a list, or may be absent; with what its path ends with.
fn inside(schema: &Value) -> (&Value, &'static str) {
    if let Some(some) = other_than_null(schema) {
        return inside(some);
    }
    match &schema["items"] {
        items @ Value::Object(_) => (inside(items).0, "[]"),
        _ => (schema, ""),
    }
}

/// The one alternative beside null.
fn other_than_null(schema: &Value) -> Option<&Value> {
    let any = schema["anyOf"].as_array()?;
    let mut others = any.iter().filter(|one| one["type"] != "null");
    others.next().filter(|_| others.next().is_none())
}

/// A schema's type in words.
fn type_of(schema: &Value) -> String {
    if let Some(some) = other_than_null(schema) {
        return format!("{} or null", type_of(some));
    }
    let texts = |values: &[Value]| {
        values
            .iter()
            .map(|value| format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(values) = schema["enum"].as_array() {
        let (nulls, others): (Vec<_>, Vec<_>) = values.iter().cloned().partition(Value::is_null);
        return texts(&others) + if nulls.is_empty() { "" } else { " or null" };
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(all) = schema[several].as_array() {
            return all.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    if let constant @ (Value::String(_) | Value::Number(_) | Value::Bool(_)) = &schema["const"] {
        return texts(std::slice::from_ref(constant));
    }
    let named = |name: &str| match name {
        "string" => schema["format"].as_str().map_or_else(|| "text".to_owned(), |f| format!("text ({f})")),
        "array" if schema["items"].is_object() => format!("list of {}", type_of(&schema["items"])),
        "array" => "list".to_owned(),
        "boolean" => "truth value".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => named(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(named).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::effect::Policy;
    use crate::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};

    struct Paint;

    /// How.
    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Blue,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Wall {
        /// How wide, in metres | feet.
        width: f64,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Input {
        /// What to paint.
        walls: Vec<Wall>,
        /// The colour; any if absent.
        #[serde(default)]
        colour: Option<Colour>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Output {
        painted: usize,
    }

    impl Action for Paint {
        const NAME: &'static str = "wall.paint";
        const SUMMARY: &'static str = "Paints walls.";
        const COMPENSATES: bool = true;
        const EFFECTS: &'static [(&'static str, &'static str)] = &[("painter", "paint")];

        type Input = Input;
        type Output = Output;

        fn next(_: &Input, _: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
            Ok(Next::Done(Output { painted: 0 }))
        }
    }

    #[test]
    fn it_says_all_that_an_action_declares() {
        let policy =
            Policy { deadline: Duration::from_secs(2), on_unknown: OnUnknown::Verify, ..Policy::default() };
        let terms = [CallTerms { connector: "painter", operation: "paint", policy }];
        let page = ActionInfo::of::<Paint>().page(&terms);
        for said in [
            "# `wall.paint` 1.0.0\n\nPaints walls.\n\nWhen its saga is undone, what it did is taken back.\n",
            "| `walls` | list of object | needed | What to paint. |\n",
            "| `walls[].width` | number | needed | How wide, in metres \\| feet. |\n",
            "| `colour` | `red`, `blue` or null |  | The colour; any if absent. |\n",
            "## Output\n\n| field | type | | meaning |\n|---|---|---|---|\n| `painted` | integer | needed |  |\n",
            "| `painter.paint` | 2000 ms | 3 times | looked up, and called again if it was not done |\n",
            "- paint:\n    call: wall.paint\n    with:\n      walls: ${ .walls }\n```\n",
        ] {
            assert!(page.contains(said), "{said}\n\nis not in\n\n{page}");
        }
    }
}
