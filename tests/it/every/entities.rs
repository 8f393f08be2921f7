//! For each kind: the fold is the live state, a restored snapshot too, and a rejection writes nothing.

use std::collections::BTreeSet;

use promptsales_api::app::Registry;
use promptsales_engine::entity::KindInfo;
use promptsales_engine::id::{Slot, StreamId, uuid_v7};
use promptsales_engine::journal::{Outcome, RejectionKind};
use promptsales_engine::runtime::Config;
use promptsales_tests::Dice;
use serde_json::{Value, json};

use super::scripts::{self, Script, Step};
use super::stage::{Life, Stage, brief};

/// Plays the scripts; the states in between are read after every step, and compared in the end.
async fn play(life: &Life, scripts: &[Script]) -> Value {
    scripts::prepare(life).await;
    let mut states = Vec::new();
    for script in scripts {
        for step in &script.steps {
            scripts::play_step(life, script.id, step).await;
            states.push(super::stage::plain(&life.state(script.id).await));
        }
    }
    json!({ "states": states, "outcome": life.outcome().await })
}

#[test]
fn states_restored_from_snapshots_are_those_folded_from_events() {
    let expected = scripts::stage().whole(async |life: &Life| play(life, &scripts::scripts()).await);
    let mut stage = scripts::stage();
    let often = Config { snapshot_every: 1, idle: std::time::Duration::ZERO, ..stage.config.clone() };
    stage.config = often;
    let outcome = stage.whole(async |life: &Life| play(life, &scripts::scripts()).await);
    assert_eq!(outcome["outcome"], expected["outcome"]);
    assert_eq!(outcome["states"], expected["states"]);
    let again = stage.whole(async |life: &Life| life.outcome().await);
    assert_eq!(again, expected["outcome"], "after a restart from snapshots");
}

#[test]
fn a_launch_over_snapshots_and_crashes_comes_to_the_same() {
    let through = async |life: &Life| {
        life.launch(&brief()).await;
        life.outcome().await
    };
    let mut whole = Stage::new(&json!([]));
    let expected = whole.whole(through);
    let mut dice = Dice::new("a_launch_over_snapshots_and_crashes_comes_to_the_same", 2);
    for _ in 0..10 {
        let mut stage = Stage::new(&json!([]));
        stage.config = Config { snapshot_every: 1, ..stage.config };
        for _ in 0..3 {
            stage
                .store
                .crash_after(dice.roll(whole.store.appends()), super::stage::POINTS[dice.roll(2) as usize]);
            stage.live(through);
        }
        assert_eq!(stage.whole(through), expected);
    }
}

/// A body that no command takes.
fn nonsense() -> Value {
    json!({ "noSuchField": 7 })
}

async fn refused(life: &Life, id: StreamId, name: &str, body: &Value) -> RejectionKind {
    let before = life.journal_length();
    let seq = life.events(id).await.len();
    let name: &'static str = String::leak(name.to_owned());
    let Outcome::Rejected(rejected) = life.tell(id, name, body).await else {
        panic!("`{name}` of {id} is accepted");
    };
    assert_eq!(life.journal_length(), before, "`{name}` of {id}: a rejection wrote something");
    assert_eq!(life.events(id).await.len(), seq);
    rejected.kind
}

#[test]
fn a_rejection_writes_nothing() {
    let catalog = Registry::new().expect("nothing is there twice").catalog;
    scripts::stage().whole(async |life: &Life| {
        scripts::prepare(life).await;
        for (number, kind) in (1_000..).zip(catalog.kinds()) {
            let KindInfo { kind, commands, create, .. } = &**kind;
            let nobody = StreamId::new(kind.prefix, uuid_v7(1, Slot::new(7), number));
            for command in commands {
                let of_nonsense = refused(life, nobody, &command.name, &nonsense()).await;
                let known = [RejectionKind::Invalid, RejectionKind::NotFound];
                assert!(known.contains(&of_nonsense), "`{}` of {}: {of_nonsense:?}", command.name, kind.name);
                let bare = command.schema.get("required").is_none();
                if bare && *create != Some(command.name.as_str()) {
                    let of_nobody = refused(life, nobody, &command.name, &json!({})).await;
                    assert_eq!(of_nobody, RejectionKind::NotFound, "`{}` of {}", command.name, kind.name);
                }
            }
            assert_eq!(refused(life, nobody, "no-such-command", &json!({})).await, RejectionKind::Invalid);
        }
        for script in scripts::scripts() {
            for step in &script.steps {
                scripts::play_step(life, script.id, step).await;
                // A run goes on by itself meanwhile, and so does what sends a message; what they write is no rejection's.
                let sends = |name: &str| ["merge-into", "undo-merge"].contains(&name);
                if let (Step::Tell(name, _), true) = (step, script.id.prefix().as_str() != "run")
                    && !sends(name)
                {
                    refused(life, script.id, name, &nonsense()).await;
                    refused(life, script.id, "no-such-command", &json!({})).await;
                }
            }
        }
    });
}

#[test]
fn every_command_of_every_public_kind_is_played() {
    let catalog = Registry::new().expect("nothing is there twice").catalog;
    let told: BTreeSet<(String, &str)> = scripts::scripts()
        .iter()
        .flat_map(|script| script.steps.iter().map(|step| (script.id.prefix().to_string(), step)))
        .filter_map(|(prefix, step)| match step {
            Step::Tell(name, _) => Some((prefix, *name)),
            Step::Sleep(_) => None,
        })
        .collect();
    // The engine itself sends the first two; a launch is played by its own tests; two are messages between entities.
    let elsewhere = ["start", "end", "launch", "absorb", "release"];
    for kind in catalog.kinds().iter().filter(|kind| kind.public) {
        for command in kind.commands.iter().filter(|command| !elsewhere.contains(&command.name.as_str())) {
            let prefix = kind.kind.prefix.to_string();
            assert!(
                told.contains(&(prefix, command.name.as_str())),
                "add `{}` of {} to a script",
                command.name,
                kind.kind.name
            );
        }
    }
}
