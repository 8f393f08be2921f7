//! Golden samples: every event of every version decodes and folds for ever, and every wire name is known.
//!
//! `PROMPTSALES_BLESS=1` writes the samples that are missing and the list of names anew; samples that are there
//! are never changed, since a journal may hold such events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use promptsales_api::app::Registry;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Catalog, KindInfo};
use promptsales_engine::id::{StreamId, StreamKey, TenantId};
use promptsales_engine::journal::{Event, Json, NewEvent, Origin};
use promptsales_engine::testkit::{EPOCH, Gauge};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::every::scripts::{self, Written};
use crate::every::stage::Life;

/// A sample: an event with those before it in its stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    stream: StreamId,
    events: Vec<Stored>,
}

/// An event as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    version: u16,
    at: Timestamp,
    data: Value,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn blessing() -> bool {
    std::env::var_os("PROMPTSALES_BLESS").is_some_and(|value| value == "1")
}

fn kinds() -> Vec<Arc<KindInfo>> {
    Registry::new().expect("nothing is there twice").catalog.kinds().to_vec()
}

/// The path of every sample that must be there, with its kind, event and version.
fn wanted(kinds: &[Arc<KindInfo>], folder: &str) -> BTreeMap<PathBuf, (Arc<KindInfo>, String, u16)> {
    let mut wanted = BTreeMap::new();
    for kind in kinds {
        for (event, current) in &kind.events {
            for version in 1..=*current {
                let file = format!("{}.{event}.v{version}.json", kind.kind.name);
                wanted.insert(golden().join(folder).join(file), (kind.clone(), event.clone(), version));
            }
        }
    }
    wanted
}

/// Folds the events of a sample, as a stream is that is brought to life.
fn fold(kind: &KindInfo, sample: &Sample) -> Result<(), String> {
    let stream = StreamKey::new(TenantId::default_tenant(), sample.stream);
    let mut machine = (kind.machine)(&stream);
    for (seq, stored) in (1..).zip(&sample.events) {
        let origin = Arc::new(Origin::root("golden", "golden"));
        let (name, data) = (stored.name.clone().into(), Json::from(&stored.data));
        let body = NewEvent { name, version: stored.version, data, origin };
        let event = Event { position: seq, stream: stream.clone(), seq, at: stored.at, body };
        machine.apply(&event).map_err(|e| e.to_string())?;
    }
    machine.view().map(|_| ()).ok_or_else(|| "it folds to nothing".to_owned())
}

#[test]
fn every_event_of_every_version_decodes_and_folds() {
    let wanted = wanted(&kinds(), "events");
    let missing: Vec<_> = wanted.keys().filter(|path| !path.exists()).cloned().collect();
    if blessing() && !missing.is_empty() {
        bless(&wanted, &missing);
    }
    check(&wanted, "events");
}

#[test]
fn a_kind_of_which_an_event_had_three_shapes_reads_them_all() {
    let catalog = Catalog::new().add::<Gauge>().expect("its upcasters are sound");
    check(&wanted(catalog.kinds(), "testkit"), "testkit");
}

/// Checks that every wanted sample is there, decodes and folds, and that there is no other.
fn check(wanted: &BTreeMap<PathBuf, (Arc<KindInfo>, String, u16)>, folder: &str) {
    for (path, (kind, event, version)) in wanted {
        let text = std::fs::read_to_string(path);
        let text = text.unwrap_or_else(|e| panic!("{}: {e}; PROMPTSALES_BLESS=1 writes it", path.display()));
        let sample: Sample =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let last = sample.events.last().unwrap_or_else(|| panic!("{} is empty", path.display()));
        assert_eq!((&last.name, last.version), (event, *version), "{}", path.display());
        assert_eq!(sample.stream.prefix(), kind.kind.prefix, "{}", path.display());
        fold(kind, &sample).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let there = std::fs::read_dir(golden().join(folder)).expect("the folder can be read");
    for entry in there {
        let path = entry.expect("the folder can be read").path();
        assert!(wanted.contains_key(&path), "{} is of an event that nobody knows", path.display());
    }
}

/// Plays the scripts and writes the missing samples, each with the shortest stream that ends in its event.
fn bless(wanted: &BTreeMap<PathBuf, (Arc<KindInfo>, String, u16)>, missing: &[PathBuf]) {
    let streams = recorded();
    for path in missing {
        let (kind, event, version) = &wanted[path];
        let ends =
            streams.iter().filter(|sample| sample.stream.prefix() == kind.kind.prefix).filter_map(|sample| {
                let at = sample.events.iter().position(|e| e.name == *event && e.version == *version)?;
                Some(Sample { stream: sample.stream, events: sample.events[..=at].to_vec() })
            });
        let texts =
            ends.map(|sample| serde_json::to_string_pretty(&sample).expect("a sample can be written"));
        let Some(text) = texts.min_by_key(String::len) else {
            panic!("no script leads to `{event}` version {version} of {}", kind.kind.name);
        };
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder can be made");
        std::fs::write(path, text + "\n").expect("the sample can be written");
    }
}

/// The streams that the scripts write.
fn recorded() -> Vec<Sample> {
    let events = scripts::stage().whole(async |life: &Life| {
        scripts::prepare(life).await;
        let mut streams = vec![
            promptsales_engine::workflow::registration::definition_id(
                &life.node.info().secret,
                &TenantId::default_tenant(),
                "hearing",
            )
            .stream(),
        ];
        for script in scripts::scripts() {
            for step in &script.steps {
                scripts::play_step(life, script.id, step).await;
            }
            streams.push(script.id);
        }
        let mut recorded = Vec::new();
        for stream in streams {
            recorded.push((stream, life.events(stream).await));
        }
        recorded
    });
    let stored = |event: &Event| Stored {
        name: event.body.name.to_string(),
        version: event.body.version,
        at: event.at,
        data: event.body.data.value(),
    };
    let whole = |(stream, events): &(StreamId, Vec<Event>)| Sample {
        stream: *stream,
        events: events.iter().map(stored).collect(),
    };
    let mut samples: Vec<Sample> = events.iter().map(whole).collect();
    let runs = samples.iter().filter(|sample| sample.stream.prefix().as_str() == "run");
    let started = runs.map(|sample| &sample.events[0]).min_by_key(|event| event.data.to_string().len());
    let started = started.map(|event| (event.name.clone(), event.data.clone())).expect("runs were started");
    for (stream, events) in scripts::rare(&started) {
        let stored = |(name, data): Written| Stored { name, version: 1, at: EPOCH, data };
        samples.push(Sample { stream, events: events.into_iter().map(stored).collect() });
    }
    samples
}

/// Every name that stands on the wire or in the journal.
fn registry() -> String {
    let mut text =
        "# Commands and events\n\nThe names on the wire and in the journal. A changed or missing line here \
                    breaks callers or stored events.\n"
            .to_owned();
    for kind in kinds() {
        let (name, plural, prefix) = (kind.kind.name, kind.kind.plural, kind.kind.prefix);
        let written = write!(text, "\n## {name} (`{plural}`, `{prefix}_`)\n\nCommands:\n\n");
        written.expect("a text takes everything");
        for command in &kind.commands {
            let fields = command.schema["properties"].as_object();
            let fields: Vec<&str> = fields.into_iter().flatten().map(|(field, _)| field.as_str()).collect();
            let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
            writeln!(text, "- `{}`{fields}", command.name).expect("a text takes everything");
        }
        text.push_str("\nEvents:\n\n");
        for (event, version) in &kind.events {
            writeln!(text, "- `{event}` v{version}").expect("a text takes everything");
        }
    }
    text
}

#[test]
fn every_wire_name_is_listed() {
    let path = golden().join("registry.md");
    let text = registry();
    if blessing() {
        std::fs::create_dir_all(golden()).expect("the folder can be made");
        std::fs::write(&path, &text).expect("the list can be written");
    }
    let listed = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "if the change is meant, write the list anew with PROMPTSALES_BLESS=1";
    assert_eq!(listed, text, "{}: {hint}", path.display());
}
