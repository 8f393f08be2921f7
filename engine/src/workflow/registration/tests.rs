//! What is decided about versions, and what the registry makes of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::workflow::fixtures::actions;
use crate::workflow::schedule::schedule_id;
use crate::workflow::versions::{Definitions, NamedBy, NoRuns};

/// A workflow that things are done to.
struct Bench {
    state: Option<WorkflowDefinition>,
    seq: u64,
}

impl Bench {
    fn with(versions: &[&str]) -> Self {
        let mut bench = Self { state: None, seq: 0 };
        for version in versions {
            bench.register(version, &source(version), None).unwrap();
        }
        bench
    }

    fn tell(&mut self, command: Command) -> Result<Decision<Event>, Rejection> {
        let id = StreamId::new(Registered::PREFIX, uuid::Uuid::nil());
        let now = Timestamp::from_ms(1_000 + i64::try_from(self.seq).unwrap());
        let cx =
            DecideCx { id, now, seq: self.seq, external_key: None, principal: "ana", causation: "req_1" };
        let decision = WorkflowDefinition::decide(self.state.as_ref(), command, &cx)?;
        for event in &decision.events {
            self.seq += 1;
            let cx = EventCx { id, at: now, seq: self.seq };
            match &mut self.state {
                Some(state) => state.apply(event, &cx),
                None => self.state = WorkflowDefinition::begin(event, &cx),
            }
        }
        Ok(decision)
    }

    fn register(
        &mut self,
        version: &str,
        source: &str,
        plan: Option<Option<Plan>>,
    ) -> Result<Decision<Event>, Rejection> {
        let (name, version, source) = ("one".to_owned(), version.to_owned(), source.to_owned());
        let digest = crate::workflow::definition::digest(&source);
        let scheduling = plan.map(|plan| Scheduling { schedule: schedule(), plan });
        self.tell(Command::Register { name, version, source, digest, scheduling })
    }

    fn change(
        &mut self,
        command: fn(Change) -> Command,
        version: &str,
    ) -> Result<Decision<Event>, Rejection> {
        let plans = self.state().versions().iter().map(|v| (v.version.clone(), plan(&v.version))).collect();
        let (version, reason) = (version.to_owned(), Some("it is wrong".to_owned()));
        self.tell(command(Change { version, reason, schedule: schedule(), plans }))
    }

    fn delete(&mut self, version: &str, open: u64) -> Result<Decision<Event>, Rejection> {
        let retired = match self.state().version(version).unwrap().life {
            Life::Retiring { seq, .. } => seq,
            Life::Active | Life::Deprecated(_) | Life::Deleted(_) => 0,
        };
        self.tell(Command::Delete { version: version.to_owned(), reason: None, open, retired })
    }

    fn state(&self) -> &WorkflowDefinition {
        self.state.as_ref().unwrap()
    }

    fn status(&self, version: &str) -> &'static str {
        self.state().version(version).unwrap().life.name()
    }

    fn latest(&self) -> Option<&str> {
        self.state().latest()
    }
}

fn schedule() -> StreamId {
    schedule_id(&TenantId::default_tenant(), "one")
}

/// Versions of an even patch begin runs by themselves.
fn plan(version: &str) -> Option<Plan> {
    let is_even = version.ends_with(['0', '2', '4']);
    is_even.then(|| Plan { every_ms: Some(1_000), ..Plan::default() })
}

fn source(version: &str) -> String {
    format!(
        "document: {{ dsl: '1.0.3', namespace: test, name: one, version: '{version}' }}\ndo: [{{ a: {{ wait: PT1S }} }}]"
    )
}

#[track_caller]
fn refused(decided: Result<Decision<Event>, Rejection>) -> &'static str {
    use crate::entity::Reason;
    decided.unwrap_err().code()
}

/// What is sent to the schedule.
fn sent(decision: &Decision<Event>) -> Vec<&str> {
    decision.messages.iter().map(|message| &*message.command).collect()
}

#[test]
fn a_version_is_registered_once() {
    let mut bench = Bench::with(&["1.0.0"]);
    assert!(bench.register("1.0.0", &source("1.0.0"), None).unwrap().events.is_empty());
    assert_eq!(refused(bench.register("1.0.0", "b", None)), "version_taken");
    assert_eq!(bench.register("1.1.0", "b", None).unwrap().events.len(), 1);
    assert_eq!(refused(bench.register("1", "b", None)), "invalid_definition");
    assert_eq!(bench.state().version("1.1.0").map(|v| v.source.as_str()), Some("b"));
    assert!(!info(Arc::default(), Arc::new(actions())).public);
}

#[test]
fn a_deprecated_version_is_not_the_latest_and_can_be_restored() {
    let mut bench = Bench::with(&["1.0.0", "2.0.0"]);
    let decided = bench.change(Command::Deprecate, "2.0.0").unwrap();
    assert_eq!(
        decided.reply,
        json!({ "name": "one", "version": "2.0.0", "status": "deprecated", "latest": "1.0.0" })
    );
    assert!(bench.change(Command::Deprecate, "2.0.0").unwrap().events.is_empty());
    let view = bench.state().view();
    assert_eq!(
        view["versions"][1]["change"],
        json!({ "at": "1970-01-01T00:00:01.002Z", "by": "ana", "reason": "it is wrong" })
    );
    assert_eq!((&view["latest"], &view["versions"][0]["latest"]), (&json!("1.0.0"), &json!(true)));
    assert_eq!(refused(bench.change(Command::Promote, "2.0.0")), "version_deprecated");
    bench.change(Command::Deprecate, "1.0.0").unwrap();
    assert_eq!(bench.latest(), None);
    bench.change(Command::Restore, "2.0.0").unwrap();
    assert_eq!((bench.latest(), bench.status("2.0.0")), (Some("2.0.0"), "active"));
    assert!(bench.change(Command::Restore, "2.0.0").unwrap().events.is_empty());
    assert_eq!(refused(bench.change(Command::Deprecate, "3.0.0")), "unknown_version");
}

#[test]
fn a_promoted_version_is_the_latest_until_a_newer_one_comes_or_it_is_active_no_more() {
    let mut bench = Bench::with(&["1.0.0", "2.0.0"]);
    bench.change(Command::Promote, "1.0.0").unwrap();
    assert_eq!(bench.latest(), Some("1.0.0"));
    assert!(bench.change(Command::Promote, "1.0.0").unwrap().events.is_empty());
    bench.register("1.0.1", &source("1.0.1"), None).unwrap();
    assert_eq!(bench.latest(), Some("1.0.0"), "it is older than one that takes runs");
    bench.register("2.0.1", &source("2.0.1"), None).unwrap();
    assert_eq!((bench.latest(), bench.state().promoted()), (Some("2.0.1"), None));
    bench.change(Command::Promote, "1.0.0").unwrap();
    bench.change(Command::Deprecate, "1.0.0").unwrap();
    assert_eq!(bench.latest(), Some("2.0.1"));
    bench.change(Command::Restore, "1.0.0").unwrap();
    assert_eq!(bench.latest(), Some("2.0.1"), "it was promoted before it was deprecated, and is not now");
}

#[test]
fn a_version_is_deleted_in_two_steps() {
    let mut bench = Bench::with(&["1.0.0", "2.0.0"]);
    assert_eq!(refused(bench.change(Command::Retire, "2.0.0")), "version_is_latest");
    assert_eq!(refused(bench.delete("1.0.0", 0)), "version_changed");
    assert_eq!(refused(bench.delete("1.0.0", 2)), "version_in_use");
    bench.change(Command::Deprecate, "1.0.0").unwrap();
    bench.change(Command::Retire, "1.0.0").unwrap();
    assert!(bench.change(Command::Retire, "1.0.0").unwrap().events.is_empty());
    bench.change(Command::Keep, "1.0.0").unwrap();
    assert_eq!(bench.status("1.0.0"), "deprecated");
    bench.change(Command::Retire, "1.0.0").unwrap();
    for command in [Command::Deprecate, Command::Promote] {
        assert_eq!(refused(bench.change(command, "1.0.0")), "version_deleted");
    }
    bench.change(Command::Restore, "1.0.0").unwrap();
    assert_eq!(bench.status("1.0.0"), "active");
    bench.change(Command::Retire, "1.0.0").unwrap();
    let before = Command::Delete { version: "1.0.0".to_owned(), reason: None, open: 0, retired: 4 };
    assert_eq!(
        refused(bench.tell(before)),
        "version_changed",
        "the runs were looked at before this retirement"
    );
    bench.delete("1.0.0", 0).unwrap();
    assert!(bench.delete("1.0.0", 0).unwrap().events.is_empty());
    assert_eq!(bench.status("1.0.0"), "deleted");
    assert_eq!(refused(bench.change(Command::Restore, "1.0.0")), "version_deleted");
    assert_eq!(refused(bench.register("1.0.0", &source("1.0.0"), None)), "version_deleted");
    bench.change(Command::Retire, "2.0.0").unwrap();
    assert_eq!(bench.latest(), None, "it is the only one");
    bench.change(Command::Keep, "2.0.0").unwrap();
    assert_eq!(bench.latest(), Some("2.0.0"));
}

#[test]
fn the_schedule_follows_the_latest_version() {
    let mut bench = Bench::with(&[]);
    assert_eq!(sent(&bench.register("1.0.0", &source("1.0.0"), Some(plan("1.0.0"))).unwrap()), ["set"]);
    assert_eq!(sent(&bench.register("1.0.1", &source("1.0.1"), Some(None)).unwrap()), ["clear"]);
    assert_eq!(sent(&bench.change(Command::Promote, "1.0.0").unwrap()), ["set"]);
    assert_eq!(sent(&bench.register("0.9.0", &source("0.9.0"), Some(plan("0.9.0"))).unwrap()), [""; 0]);
    assert_eq!(sent(&bench.change(Command::Deprecate, "1.0.0").unwrap()), ["clear"]);
    assert_eq!(sent(&bench.change(Command::Deprecate, "1.0.1").unwrap()), ["set"], "0.9.0 is the latest");
    assert_eq!(sent(&bench.change(Command::Deprecate, "0.9.0").unwrap()), ["clear"]);
    let plans = [("1.0.0".to_owned(), None)].into();
    let change = Change { version: "0.9.0".to_owned(), reason: None, schedule: schedule(), plans };
    assert_eq!(refused(bench.tell(Command::Restore(change))), "version_changed", "its plan is not known");
}

#[test]
fn the_registry_gives_runs_what_stands_open_to_them() {
    let (registry, tenant) = (Definitions::new(), TenantId::default_tenant());
    let mut bench = Bench::with(&["1.0.0", "2.0.0"]);
    let load = |bench: &Bench| registry.load(&tenant, bench.state(), bench.seq, &actions()).unwrap();
    let run = |version: Option<&str>, by| {
        registry.for_run(&tenant, "one", version, by).map(|found| found.version.clone())
    };
    load(&bench);
    assert_eq!(run(None, NamedBy::Caller).unwrap(), "2.0.0");
    bench.change(Command::Promote, "1.0.0").unwrap();
    load(&bench);
    assert_eq!(run(None, NamedBy::Caller).unwrap(), "1.0.0");
    bench.change(Command::Deprecate, "2.0.0").unwrap();
    load(&bench);
    let message = run(Some("2.0.0"), NamedBy::Caller).unwrap_err().to_string();
    assert_eq!(
        message,
        "version 2.0.0 of `one` is deprecated (it is wrong) and takes no runs; the latest version is 1.0.0"
    );
    assert_eq!(run(Some("2.0.0"), NamedBy::Definition).unwrap(), "2.0.0");
    let before = (bench.state().clone(), bench.seq);
    bench.change(Command::Retire, "2.0.0").unwrap();
    load(&bench);
    registry.load(&tenant, &before.0, before.1, &actions()).unwrap();
    assert!(run(Some("2.0.0"), NamedBy::Definition).is_err(), "what came later is known already");
    bench.delete("2.0.0", 0).unwrap();
    load(&bench);
    assert_eq!(registry.versions(&tenant, "one").len(), 1);
    let text = &bench.state().version("2.0.0").unwrap().digest;
    assert!(registry.pinned(&tenant, "one", "2.0.0", text).is_some(), "its runs have their text");
    bench.change(Command::Deprecate, "1.0.0").unwrap();
    load(&bench);
    let Err(NoRuns::Closed { latest, .. }) = registry.for_run(&tenant, "one", None, NamedBy::Caller) else {
        panic!("no version takes runs");
    };
    assert_eq!(latest, None);
    assert_eq!(registry.get(&tenant, "one", None).unwrap().version, "1.0.0");
    assert!(matches!(run(Some("9.0.0"), NamedBy::Caller), Err(NoRuns::Unknown { .. })));
}

#[test]
fn what_was_stored_before_versions_had_a_life_is_read() {
    let old = json!({
        "name": "one", "scheduled": false,
        "versions": [{ "version": "1.0.0", "source": "a", "digest": "d", "at": "2026-01-01T00:00:00.000Z" }],
    });
    let state: WorkflowDefinition = serde_json::from_value(old).unwrap();
    assert_eq!((state.latest(), state.view()["promoted"].clone()), (Some("1.0.0"), Value::Null));
}
