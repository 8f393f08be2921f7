//! `bench tasks`: whether a run of very many tasks does the last ones as fast as the first.
//!
//! An action and a wait of no time take turns, so that every second task is a commit of its own. When each completed is
//! read from the journal; its times are whole milliseconds, so that tasks are timed by stretches of [`STRETCH`].

use std::time::Duration;

use anyhow::Context as _;
use promptsales_engine::clock::Timestamp;

use super::api::Api;
use super::args::TasksArgs;
use super::figure::{Figure, Goal, Unit};
use super::floor;
use super::flow::{MANY, many, many_input};
use super::report::{Report, median, ratio};
use super::site::Site;
use super::store::Store;

/// Tasks of one step.
const STEP: u32 = 2;
/// Steps of one round, the most.
const STEPS: u32 = 100;
/// Tasks that are timed together.
const STRETCH: usize = 20;
/// Tasks at the begin and at the end that are compared.
const END: usize = 1_000;
const LOOK: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(7_200);
const COMPLETED: &str = "task-completed";

/// Makes a store and has a server on it do the run.
pub(super) async fn run(site: &Site, args: &TasksArgs) -> anyhow::Result<Report> {
    let store = site.store("tasks", site.server.as_ref()).await?;
    on(site, args, &store).await
}

/// Has a server on a store do the run, and times its tasks.
pub(super) async fn on(site: &Site, args: &TasksArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("tasks");
    let bare = floor::bare_commits(site).await?;
    let child = store.start(&[]).await?;
    let api = Api::new(&child.base);
    api.register(many()).await?;
    let rounds = args.tasks.div_ceil(STEP * STEPS);
    let begun = child.memory()?;
    let run = api.start(MANY, &many_input(rounds, STEPS)).await?;
    done(site, &api, &run).await?;
    let ended = child.memory()?;
    site.say("reading when each task completed");
    let times = times(&api, &run).await?;
    child.stop().await?;

    let end = END.min(times.len() / 2);
    anyhow::ensure!(end > STRETCH, "{} tasks are too few to be compared", times.len());
    let first = task_ms(&times[..end]);
    let last = task_ms(&times[times.len() - end..]);
    let (whole_s, tasks) = (seconds(&times), times.len());
    let per_second = ratio(tasks as f64, whole_s);
    report.number("tasks", tasks as f64, format!("{tasks} in {whole_s:.1} s, {per_second:.0} a second"));
    report.number("first tasks, ms", first, format!("{first:.2} a task, median of the first {end}"));
    report.number("last tasks, ms", last, format!("{last:.2} a task, median of the last {end}"));
    let by = ratio(last, first);
    report.number("last to first", by, format!("{by:.2}"));
    report.number("slowest stretch, ms", slowest(&times), format!("{:.2} a task", slowest(&times)));
    let tenths: Vec<_> =
        times.chunks(tasks.div_ceil(10)).map(|part| format!("{:.2}", task_ms(part))).collect();
    report.number("by tenths, ms", ratio(1_000.0, per_second), format!("{} a task", tenths.join(", ")));
    report.number("bare commits/s", bare, format!("{bare:.0} (4 KiB append and fdatasync)"));
    report.ratio("commits to bare ones", ratio(per_second, f64::from(STEP)), bare);
    let mib = |kib: u64| kib as f64 / 1_024.0;
    let (from, to) = (mib(begun.rss_kib), mib(ended.rss_kib));
    report.number("memory, MiB", to, format!("{from:.0} before, {to:.0} afterwards"));
    let work = format!("one run of {tasks} tasks: a task of the last {end} to one of the first {end}");
    let by = Goal::new("", Unit::Times, by).bound(1.5);
    report.figures.push(Figure::new(work, vec![by]));
    Ok(report)
}

/// Waits until the run has completed.
async fn done(site: &Site, api: &Api, run: &str) -> anyhow::Result<()> {
    let ended = async {
        loop {
            let shown = api.get(&format!("/api/v1/runs/{run}")).await?;
            if !shown["endedAt"].is_null() {
                anyhow::ensure!(shown["status"] == "completed", "the run has not completed: {shown}");
                return Ok(());
            }
            site.say(format!("one run of many tasks, now in {}", shown["waitingFor"][0]["path"]));
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LONGEST, ended).await.context("the run takes too long")?
}

/// When the steps' tasks completed, in milliseconds and in order. Of the loops' own tasks nothing is wanted.
async fn times(api: &Api, run: &str) -> anyhow::Result<Vec<i64>> {
    let mut times = Vec::new();
    api.list(&format!("/api/v1/runs/{run}/journal"), |event| {
        let path = event["data"]["path"].as_str().unwrap_or_default();
        if event["type"] == COMPLETED && (path.ends_with("/check") || path.ends_with("/pause")) {
            let at = event["time"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
            times.push(at.context("an event has no time")?.ms());
        }
        Ok(true)
    })
    .await?;
    Ok(times)
}

/// What a task took in the median of the stretches, in milliseconds.
fn task_ms(times: &[i64]) -> f64 {
    median(stretches(times).collect())
}

fn slowest(times: &[i64]) -> f64 {
    stretches(times).fold(0.0, f64::max)
}

fn stretches(times: &[i64]) -> impl Iterator<Item = f64> {
    let starts = times.iter().step_by(STRETCH);
    let ends = times.iter().skip(STRETCH).step_by(STRETCH);
    starts.zip(ends).map(|(start, end)| (end - start) as f64 / STRETCH as f64)
}

fn seconds(times: &[i64]) -> f64 {
    let ms = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_timed_by_stretches_of_whole_milliseconds() {
        let steady: Vec<i64> = (0..200).map(|task| task * 3 / 2).collect();
        assert!((task_ms(&steady) - 1.5).abs() < 1e-9 && (slowest(&steady) - 1.5).abs() < 1e-9);
        let stalled: Vec<i64> = (0..200).map(|task| task + if task > 100 { 500 } else { 0 }).collect();
        assert!((task_ms(&stalled) - 1.0).abs() < 1e-9 && (slowest(&stalled) - 26.0).abs() < 1e-9);
        assert!((seconds(&stalled) - 0.699).abs() < 1e-9);
    }
}
