//! The examples of the Open Workflow Specification: which of them this engine takes, and where it refuses the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use promptsales_engine::workflow::check::check;
use promptsales_engine::workflow::definition::Severity;
use serde_json::Value;

/// The examples that are refused: the task that is named, and a part of what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    ("call-asyncapi-publish", "/do/0/findPet/call", "over `asyncapi`"),
    ("call-asyncapi-subscribe-consume-amount", "/do/0/getNotifications/call", "over `asyncapi`"),
    ("call-asyncapi-subscribe-consume-forever-foreach", "/do/0/getNotifications/call", "over `asyncapi`"),
    ("call-asyncapi-subscribe-consume-until", "/do/0/getNotifications/call", "over `asyncapi`"),
    ("call-asyncapi-subscribe-consume-while", "/do/0/getNotifications/call", "over `asyncapi`"),
    ("call-custom-function-cataloged", "/do/0/log/call", "cannot be fetched"),
    ("call-grpc", "/do/0/greet/call", "over `grpc`"),
    ("call-mcp", "/do/0/publishMessageToSlack/with/transport/stdio", "not supported"),
    ("run-container", "/do/0/runContainer/run/container", "not supported"),
    ("run-container-cleanup-always", "/do/0/runContainer/run/container", "not supported"),
    ("run-container-cleanup-eventually", "/do/0/runContainer/run/container", "not supported"),
    ("run-container-stdin-and-arguments", "/do/1/runContainer/run/container", "not supported"),
    ("run-container-with-name", "/do/0/runContainer/run/container", "not supported"),
    ("run-container-with-pull-policy", "/do/0/runContainer/run/container", "not supported"),
    ("run-return-all", "/do/0/runContainer/run/container", "not supported"),
    ("run-return-code", "/do/0/runContainer/run/container", "not supported"),
    ("run-return-none", "/do/0/runContainer/run/container", "not supported"),
    ("run-return-stderr", "/do/0/runContainer/run/container", "not supported"),
    ("run-script-with-stdin-and-arguments", "/do/0/runScript/run/script", "not supported"),
    ("run-shell-stdin-and-arguments", "/do/1/runShell/run/shell", "not supported"),
];

/// The folder of the specification's schema and examples, which are not part of the project: `OWS`, or what stands
/// beside it.
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("OWS").map(PathBuf::from);
    let beside = || Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/ows"));
    named.or_else(beside).filter(|folder| folder.is_dir())
}

fn examples(folder: &Path) -> BTreeMap<String, String> {
    let read = std::fs::read_dir(folder.join("examples")).unwrap();
    let files = read.map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn every_example_fits_the_schema_and_is_taken_or_refused_at_its_task() {
    let Some(folder) = folder() else {
        eprintln!("NOT CHECKED: the examples of the specification are not there; name their folder in OWS");
        return;
    };
    let schema = std::fs::read_to_string(folder.join("workflow-schema.yaml")).unwrap();
    let schema: Value = serde_yaml_ng::from_str(&schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let actions = crate::actions::register().unwrap();
    let examples = examples(&folder);
    assert_eq!(examples.len(), 68);
    let mut wrong = Vec::new();
    for (name, source) in &examples {
        let document: Value = serde_yaml_ng::from_str(source).unwrap();
        assert!(schema.is_valid(&document), "{name} does not fit the schema");
        let refused = REFUSED.iter().find(|(refused, _, _)| refused == name);
        match (check(source, &actions), refused) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => wrong.push(format!("{name} is taken")),
            (Err(found), None) => wrong.push(format!("{name}: {:#?}", found.problems)),
            (Err(found), Some((_, pointer, message))) => {
                let errors: Vec<_> =
                    found.problems.iter().filter(|p| p.severity == Severity::Error).collect();
                if !errors.iter().any(|p| p.pointer == *pointer && p.message.contains(message)) {
                    wrong.push(format!("{name}: expected {pointer}, found {errors:#?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
