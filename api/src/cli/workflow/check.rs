//! `promptsales workflow check`: whether definitions in files can run, without a server.

use std::io::Write as _;

use promptsales_engine::runtime::Exit;
use promptsales_engine::workflow::action::Actions;
use promptsales_engine::workflow::check::{Refused, check};
use promptsales_engine::workflow::definition::Problem;
use serde_json::{Value, json};

use super::excerpt;
use super::read_text;
use crate::app::Registry;
use crate::cli::Ended;

/// What was found out about a file.
struct Found {
    file: String,
    source: String,
    /// The workflow and its version, if it can run.
    workflow: Option<(String, String)>,
    problems: Vec<Problem>,
}

/// Checks definitions against the product's own actions, and shows everything that is wrong.
pub(super) fn run(files: &[String], json: bool) -> anyhow::Result<Ended> {
    let actions = Registry::new()?.actions;
    let mut found = Vec::new();
    for file in files {
        match read_text(file) {
            Ok(source) => found.push(look_at(file, source, &actions)),
            Err(error) => return Ok(Ended::Asked(Exit { code: 2, reason: format!("{error:#}") })),
        }
    }
    let mut out = std::io::stdout().lock();
    if json {
        let files: Vec<Value> = found.iter().map(Found::json).collect();
        writeln!(out, "{}", json!({ "files": files }))?;
    } else {
        for one in &found {
            write!(out, "{}", one.text())?;
        }
    }
    let broken = found.iter().filter(|one| one.workflow.is_none()).count();
    Ok(match broken {
        0 => Ended::Done,
        _ => {
            let reason = format!("{broken} of {} definitions cannot run", found.len());
            Ended::Asked(Exit { code: 1, reason })
        }
    })
}

fn look_at(file: &str, source: String, actions: &Actions) -> Found {
    let (workflow, problems) = match check(&source, actions) {
        Ok(checked) => (Some((checked.definition.name, checked.definition.version)), checked.warnings),
        Err(Refused { problems }) => (None, problems),
    };
    Found { file: file.to_owned(), source, workflow, problems }
}

impl Found {
    fn text(&self) -> String {
        let mut text: String = self
            .problems
            .iter()
            .map(|problem| excerpt::show(&self.file, &self.source, problem) + "\n")
            .collect();
        if let Some((name, version)) = &self.workflow {
            text.push_str(&format!("{}: {name} {version} can run\n", self.file));
        }
        text
    }

    fn json(&self) -> Value {
        let name = self.workflow.as_ref().map(|(name, _)| name);
        let version = self.workflow.as_ref().map(|(_, version)| version);
        json!({
            "file": self.file, "ok": self.workflow.is_some(), "name": name, "version": version,
            "problems": self.problems,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_that_ship_can_run_and_others_are_told_why_not() {
        let actions = Registry::new().unwrap().actions;
        for (name, source) in promptsales_workflows::definitions() {
            let found = look_at(name, (*source).to_owned(), &actions);
            assert!(found.workflow.is_some() && found.json()["ok"] == true, "{}", found.text());
            let (_, behind) = source.split_once("call: ").unwrap();
            let called = behind.lines().next().unwrap();
            let wrong = format!("call: {}\n", &called[..called.len() - 1]);
            let broken = look_at(name, source.replace(&format!("call: {called}\n"), &wrong), &actions);
            assert_eq!(broken.json()["problems"][0]["fix"], format!("did you mean `{called}`?"));
            assert!(broken.text().contains(&wrong), "{}", broken.text());
            assert!(broken.workflow.is_none());
        }
    }
}
