//! A case for each example of the Open Workflow Specification that the engine takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use promptsales_engine::workflow::check::check;
use serde_json::{Value, json};

use super::play::{Case, Step};
use super::service::{Reply, rule};

/// The examples that are taken and cannot be run here, each with the reason.
const NOT_RUN: &[(&str, &str)] = &[];

/// The folder of the specification's examples, which are not part of the project: within `OWS`, or beside it.
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("OWS").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ows");
    Some(named.unwrap_or_else(beside).join("examples")).filter(|folder| folder.is_dir())
}

/// The examples that the engine takes, by name; nothing where they are not there.
fn taken() -> Option<BTreeMap<String, String>> {
    let actions = promptsales_workflows::actions::register().expect("no action is there twice");
    let files = std::fs::read_dir(folder()?).expect("the folder can be read");
    let files = files.map(|entry| entry.expect("the folder can be read").path());
    let read = |path: PathBuf| {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        (name.expect("it has a name"), std::fs::read_to_string(&path).expect("it can be read"))
    };
    Some(files.map(read).filter(|(_, source)| check(source, &actions).is_ok()).collect())
}

/// The cases of all examples.
///
/// Checks that every example that is taken has one, or stands in [`NOT_RUN`] with the reason.
pub(super) fn cases() -> Vec<Case> {
    let Some(examples) = taken() else {
        eprintln!("NOT CHECKED: the examples of the specification are not there; name their folder in OWS");
        return Vec::new();
    };
    for (name, reason) in NOT_RUN {
        println!("not run: {name}, {reason}");
        assert!(examples.contains_key(*name), "`{name}` is listed, and there is no such example");
    }
    let mut cases = Vec::new();
    for (name, source) in &examples {
        let scripted = scripted(name, source);
        let listed = NOT_RUN.iter().any(|(listed, _)| listed == name);
        assert!(scripted.is_empty() == listed, "`{name}`: give it a script, or list it in NOT_RUN");
        cases.extend(scripted);
    }
    println!("{} examples in {} cases", examples.len() - NOT_RUN.len(), cases.len());
    cases
}

/// What happens to an example, in one case or several.
fn scripted(name: &str, source: &str) -> Vec<Case> {
    let case = |what: &str| Case::new(&format!("{name}{what}"), source);
    let groups = [calling, listening, deciding, scheduled];
    groups.iter().find_map(|group| group(name, &case)).unwrap_or_default()
}

type New<'a> = dyn Fn(&str) -> Case + 'a;

const PET: &str = "petstore.swagger.io";

/// The examples that call services.
fn calling(name: &str, case: &New<'_>) -> Option<Vec<Case>> {
    let pet = || json!({ "petId": 7, "token": "t0ken", "name": "Pongo" });
    let character = || json!({ "searchQuery": "luke" });
    let replies = |statuses: &[u16], then: Value| {
        let failures = statuses.iter().map(|status| Reply::Status(*status));
        super::service::Rule { replies: failures.chain([Reply::Done(then)]).collect(), ..rule(PET) }
    };
    Some(match name {
        "authentication-bearer"
        | "authentication-bearer-uri-format"
        | "authentication-oauth2"
        | "authentication-oauth2-secret"
        | "authentication-oidc"
        | "authentication-oidc-secret"
        | "authentication-reusable"
        | "call-custom-function-inline"
        | "call-http-endpoint-interpolation"
        | "call-http-endpoint-interpolation-shorthand"
        | "call-openapi"
        | "call-openapi-redirect"
        | "do-single"
        | "mock-service-extension" => vec![case("").start(pet())],
        "do-multiple" => vec![case("").start(pet()).rule(replies(&[], pet()))],
        "call-http-query-headers-expressions" | "call-http-query-parameters" | "call-http-redirect" => {
            vec![case("").start(character())]
        }
        "star-wars-homeworld" => {
            let luke = json!({ "content": { "homeworld": "https://swapi.dev/api/planets/1" } });
            let people = super::service::Rule { replies: vec![Reply::Done(luke)], ..rule("/people/") };
            vec![case("").start(json!({ "id": 1 })).rule(people)]
        }
        "try-catch" => vec![
            case("").start(pet()),
            case(", not found").start(pet()).rule(replies(&[404], json!({}))),
            case(", refused").start(pet()).rule(replies(&[403], json!({}))),
        ],
        "try-catch-retry-inline" | "try-catch-retry-reusable" => vec![
            case(", the third time").start(pet()).rule(replies(&[503, 503], pet())),
            case(", never").start(pet()).rule(replies(&[503; 6], pet())),
        ],
        "try-catch-then" => vec![
            case("").start(pet()).rule(replies(&[], pet())),
            case(", not found").start(pet()).rule(replies(&[404], json!({}))),
        ],
        "try-catch-then-directive" => {
            let away = super::service::Rule { replies: vec![Reply::Status(503)], ..rule("external-service") };
            vec![case("").start(json!({})), case(", away").start(json!({})).rule(away)]
        }
        "fork" => {
            let slow = super::service::Rule { after_ms: 500, ..rule("/doctor") };
            let patient = json!({ "patient": { "fullName": "Ana" }, "room": { "number": 7 } });
            vec![case("").start(patient).rule(slow)]
        }
        "conditional-task" => {
            let bet = |age: u64| json!({ "customer": { "age": age }, "bet": { "on": "home" } });
            vec![case(", underage").start(bet(17)), case(", of age").start(bet(18))]
        }
        _ => return None,
    })
}

/// The examples that listen for events, and the one that emits one.
fn listening(name: &str, case: &New<'_>) -> Option<Vec<Case>> {
    let temperature = "com.fake-hospital.vitals.measurements.temperature";
    let bpm = "com.fake-hospital.vitals.measurements.bpm";
    let measured = |case: Case| {
        let calm = case.event(temperature, json!({ "temperature": 37 })).event(bpm, json!({ "bpm": 70 }));
        calm.event(temperature, json!({ "temperature": 39 })).event(bpm, json!({ "bpm": 120 }))
    };
    let started = |what: &str| case(what).start(json!({ "carId": 7, "roomId": 7 }));
    Some(match name {
        "emit" => vec![started("")],
        "listen-to-all" | "listen-to-all read-envelope" | "listen-to-any-filter" => {
            vec![measured(started(""))]
        }
        "listen-to-any" => vec![started("").event("anything", json!({ "n": 1 }))],
        "listen-to-any-until-condition" => {
            vec![(1..=4).fold(started(""), |case, n| case.event("anything", json!({ "n": n })))]
        }
        "listen-to-any-until-consumed" => {
            vec![measured(started("")).event("com.fake-hospital.patient.checked-out", json!({}))]
        }
        "listen-to-any-forever-foreach" => {
            let gossips = (1..=3).fold(started(""), |case, n| case.event("gossip", json!({ "n": n })));
            vec![gossips.then(Step::Cancel)]
        }
        "listen-to-one" => {
            vec![started("").event("com.virtual-wf-powered-race.events.race.started.v1", json!({}))]
        }
        "for" => {
            let input = json!({ "pets": [{ "id": 1 }, { "id": 2 }], "vet": "Eva" });
            let checkup = "com.fake.petclinic.pets.checkup.completed.v2";
            vec![case("").start(input).event(checkup, json!({ "n": 1 })).event(checkup, json!({ "n": 2 }))]
        }
        "accumulate-room-readings" => {
            let reading = |room: u64, kind: &str, value: u64| {
                Step::Event(json!({
                    "source": "https://my.home.com/sensor", "type": format!("my.home.sensors.{kind}"),
                    "roomid": room, "data": { "reading": value },
                }))
            };
            let steps =
                [reading(1, "temperature", 20), reading(2, "humidity", 40), reading(1, "humidity", 50)];
            vec![steps.into_iter().fold(started(""), Case::then)]
        }
        _ => return None,
    })
}

/// The examples that need nobody.
fn deciding(name: &str, case: &New<'_>) -> Option<Vec<Case>> {
    Some(match name {
        "for-inline-array"
        | "raise-inline"
        | "raise-reusable"
        | "wait-duration-inline"
        | "wait-duration-iso8601" => {
            vec![case("").start(json!({}))]
        }
        "switch-then-string" => {
            let order = |kind: &str| case(&format!(", {kind}")).start(json!({ "orderType": kind }));
            vec![order("electronic"), order("physical"), order("other")]
        }
        "run-subflow" => {
            let registers = "document: { dsl: '1.0.3', namespace: test, name: register-customer, version: '0.1.0' }\n\
                             do: [{ rest: { wait: PT1S } }, { register: { set: { registered: '${ .customer }' } } }]";
            vec![case("").beside(registers).start(json!({ "user": "Ana" }))]
        }
        _ => return None,
    })
}

/// The examples that begin by themselves.
fn scheduled(name: &str, case: &New<'_>) -> Option<Vec<Case>> {
    let trigger = "io.serverlessworkflow.samples.events.trigger.v1";
    let beat = "com.example.hospital.events.patients.heartbeat.low";
    Some(match name {
        "schedule-cron" => {
            let day = Duration::from_secs(25 * 3_600);
            vec![case("").then(Step::Until(day)).then(Step::Clear)]
        }
        "schedule-event-driven" => {
            let patient = json!({ "id": 7, "name": "Ana", "room": { "number": 7 }, "vitals": { "bpm": 40 } });
            vec![case("").event(beat, json!({ "patient": patient, "timestamp": "2026-01-01T00:00:00Z" }))]
        }
        "set" | "set-expression" => vec![case("").event(trigger, json!({ "n": 1 }))],
        _ => return None,
    })
}
