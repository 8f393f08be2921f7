//! What holds for every definition that the product ships.

use std::sync::Arc;

use promptsales_engine::workflow::check::check;
use promptsales_engine::workflow::scenario::{self, Report, Scenario};
use serde_json::Value;

fn documents() -> Vec<(&'static str, Value)> {
    let read = |(name, source): &(&'static str, &'static str)| {
        (*name, serde_yaml_ng::from_str(source).unwrap_or_else(|e| panic!("{name}: {e}")))
    };
    super::definitions().iter().map(read).collect()
}

/// Calls back for every object of a tree.
fn walk(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            visit(fields);
            fields.values().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn files_are_named_as_their_workflows() {
    let documents = documents();
    assert!(documents.iter().any(|(name, _)| *name == "launch-campaign"));
    for (name, document) in documents {
        assert_eq!(document["document"]["name"], name);
        assert_eq!(document["document"]["dsl"], "1.0.3");
        assert_eq!(document["document"]["namespace"], "promptsales");
    }
}

#[test]
fn every_call_names_an_action_and_its_arguments() {
    let actions = crate::actions::register().unwrap();
    let mut calls = 0;
    for (name, document) in documents() {
        walk(&document["do"], &mut |task| {
            let Some(call) = task.get("call").and_then(Value::as_str) else { return };
            calls += 1;
            let action = actions.get(call).unwrap_or_else(|| panic!("{name}: there is no action `{call}`"));
            let known = action.input["properties"].as_object().unwrap();
            let with = task["with"].as_object().unwrap();
            for argument in with.keys() {
                assert!(known.contains_key(argument), "{name}: `{call}` has no argument `{argument}`");
            }
            let required = action.input["required"].as_array().cloned().unwrap_or_default();
            for argument in required.iter().filter_map(Value::as_str) {
                assert!(with.contains_key(argument), "{name}: `{call}` needs `{argument}`");
            }
        });
    }
    assert!(calls >= 13, "{calls} calls");
}

#[test]
fn every_then_leads_to_a_task_of_its_list() {
    for (name, document) in documents() {
        walk(&document, &mut |fields| {
            for list in fields.iter().filter(|(key, _)| *key == "do").filter_map(|(_, list)| list.as_array())
            {
                let tasks: Vec<&String> =
                    list.iter().flat_map(|task| task.as_object().unwrap().keys()).collect();
                let mut targets = Vec::new();
                for task in list.iter().flat_map(|task| task.as_object().unwrap().values()) {
                    targets.extend(task["then"].as_str());
                    let cases = task["switch"].as_array().into_iter().flatten();
                    targets.extend(
                        cases
                            .flat_map(|c| c.as_object().unwrap().values())
                            .filter_map(|c| c["then"].as_str()),
                    );
                }
                for target in targets {
                    let known = ["continue", "exit", "end"].contains(&target);
                    assert!(known || tasks.iter().any(|task| *task == target), "{name}: {target}");
                }
            }
        });
    }
}

/// The scenarios of every file in `scenarios`, with the definition of the same name.
fn scenarios() -> Vec<(&'static str, &'static str, Vec<Scenario>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let with_definition = files.map(|path| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let found = super::definitions().iter().find(|(name, _)| *name == stem);
        let (name, source) = found.unwrap_or_else(|| panic!("there is no definition `{stem}`"));
        let text = std::fs::read_to_string(path).unwrap();
        (*name, *source, scenario::read(&text).unwrap_or_else(|e| panic!("{stem}: {e}")))
    });
    with_definition.collect()
}

/// Plays scenarios, and gives the reports of those that fail.
fn failing(source: &str, scenarios: &[Scenario]) -> Vec<Report> {
    let actions = crate::actions::register().unwrap();
    let checked = check(source, &actions).unwrap_or_else(|e| panic!("{:#?}", e.problems));
    let definition = Arc::new(checked.definition);
    let reports = scenarios.iter().map(|one| scenario::play(&definition, &actions, one));
    reports.filter(|report| !report.passed()).collect()
}

#[test]
fn every_scenario_passes() {
    let all = scenarios();
    assert!(all.iter().any(|(name, ..)| *name == "launch-campaign"));
    for (name, source, scenarios) in all {
        let failing = failing(source, &scenarios);
        assert!(failing.is_empty(), "{name}: {failing:#?}");
    }
}

#[test]
fn the_scenarios_of_the_launch_notice_a_change_of_it() {
    let all = scenarios();
    let (_, source, scenarios) = all.iter().find(|(name, ..)| *name == "launch-campaign").unwrap();
    for (from, to) in [
        ("hours: 72", "hours: 71"),
        ("then: requestApproval", "then: approveByRule"),
        ("then: approveByRule", "then: planBudget"),
        ("saga: true", "saga: false"),
        ("by: ${ .by }\n\n  - planBudget", "by: somebody\n\n  - planBudget"),
        ("reason: ${ .reason }", "reason: none"),
        ("select(.piece.channel == $allocation.channel)", "."),
        ("amount: ${ $context.brief.budget }", "amount: ${ $context.brief.spendLimit }"),
    ] {
        assert!(source.contains(from), "{from}");
        assert!(!failing(&source.replacen(from, to, 1), scenarios).is_empty(), "{from} -> {to}");
    }
}
