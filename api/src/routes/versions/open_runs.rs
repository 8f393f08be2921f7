//! The runs of a tenant, some at a time; and the open ones of a workflow that are on another version, asked to migrate
//! one by one, the newest first.
//!
//! One request looks at a bounded part of the runs, and says where the next one goes on. What is wrong with one run is
//! counted with it and keeps nobody from the others; only what concerns the node ends the walk.

use promptsales_engine::entity::{Dedup, Fault, View};
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::projection::index::{Search, Term, Test};
use promptsales_engine::runtime::{Command, Found};
use promptsales_engine::workflow::definition::Definition;
use promptsales_engine::workflow::machine::Status;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::paging::cursor;
use crate::http::problem::{Code, Problem};
use crate::routes::runs::RUN;

/// Runs that one request asks or cannot read; its answer says where to go on.
const ACTED_ON: usize = 500;

/// Runs that are read at once.
const PAGE: usize = 100;

/// Some of the runs, the newest first, each with its place and as it is.
pub(super) struct Runs {
    pub(super) runs: Vec<(StreamKey, u64, Result<Option<View>, Fault>)>,
    /// True if there are no more.
    pub(super) is_last: bool,
}

impl Runs {
    /// Reads some runs behind a place.
    pub(super) async fn page(app: &App, caller: &Caller, after: Option<u64>) -> Result<Self, Problem> {
        let page = app.node().list(&caller.tenant, RUN, after, true, PAGE).await?.streams;
        let is_last = page.len() < PAGE;
        let places = page.into_iter().map(|(stream, place)| (place, stream)).collect();
        Ok(Self::read(app, places, is_last).await)
    }

    async fn read(app: &App, streams: Vec<(u64, StreamKey)>, is_last: bool) -> Self {
        let (places, streams): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
        let views = app.node().read_each(&streams).await;
        let runs = streams.into_iter().zip(places).zip(views);
        Self { runs: runs.map(|((stream, place), view)| (stream, place, view)).collect(), is_last }
    }
}

/// Which runs are asked, and what.
pub(super) struct Walk<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    /// The version that they are to go on in.
    pub(super) definition: &'a Definition,
    /// The fields of the command.
    pub(super) ask: Value,
    /// True if the caller's key makes it count once for each run.
    pub(super) once: bool,
    /// Where to go on.
    pub(super) after: Option<u64>,
    /// Open runs of the workflow that are looked at, about.
    pub(super) most: usize,
}

/// What was gone through.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Open runs of the workflow that were looked at.
    pub(super) looked: usize,
    /// Each run that would not, or could not be asked, with the reason. One that cannot be read is among them whatever
    /// it is a run of, since nobody can tell.
    pub(super) refused: Vec<Value>,
    /// Where the next request goes on; none at the end.
    pub(super) next: Option<String>,
}

impl Walk<'_> {
    /// Asks one run after another, and gives `take` what each replies.
    ///
    /// # Errors
    ///
    /// What concerns the node and not one run.
    pub(super) async fn go(&self, mut take: impl FnMut(&StreamKey, &Value)) -> Result<Walked, Problem> {
        let (mut walked, mut after, mut acted) = (Walked::default(), self.after, 0);
        let body = Json::from(&self.ask);
        loop {
            let Runs { runs, is_last } = self.page(after).await?;
            for (stream, place, view) in &runs {
                walked.looked += 1;
                after = Some(*place);
                let replied = match view {
                    Ok(view) if view.as_ref().is_none_or(|view| !self.is_meant(&view.state.value())) => {
                        continue;
                    }
                    Ok(_) => self.ask(stream, &body).await,
                    Err(fault) => Err(fault.clone()),
                };
                match replied {
                    Ok(Outcome::Accepted(accepted)) => take(stream, &accepted.reply.value()),
                    Ok(Outcome::Rejected(rejected)) => walked.refuse(stream, &rejected.into()),
                    Err(fault) if is_of_the_node(&fault) => return Err(fault.into()),
                    Err(fault) => walked.refuse(stream, &fault.into()),
                }
                acted += 1;
                if acted == ACTED_ON {
                    walked.next = after.map(cursor);
                    return Ok(walked);
                }
            }
            if is_last {
                return Ok(walked);
            }
            if walked.looked >= self.most {
                walked.next = after.map(cursor);
                return Ok(walked);
            }
        }
    }

    /// Reads some open runs of the workflow behind a place.
    async fn page(&self, after: Option<u64>) -> Result<Runs, Problem> {
        let open = Status::ALL.into_iter().filter(|status| !status.is_end());
        let tests = [
            ("workflow", vec![Term::text(&self.definition.name)]),
            ("status", open.map(|status| Term::text(status.name())).collect()),
        ];
        let tests = tests.map(|(name, any)| (name.to_owned(), Test::Is(any))).into();
        let search = Search { tenant: self.caller.tenant.clone(), prefix: RUN, tests };
        let Found { streams, is_behind } = self.app.node().find(&search, after, PAGE).await?;
        if is_behind {
            let detail = "the index of runs is behind: repeat the request a little later";
            return Err(Problem::new(Code::PositionNotReached, detail));
        }
        let is_last = streams.len() < PAGE;
        Ok(Runs::read(self.app, streams, is_last).await)
    }

    fn is_meant(&self, run: &Value) -> bool {
        let Definition { name, version, .. } = self.definition;
        run["workflow"] == **name && run["version"] != **version && run["endedAt"].is_null()
    }

    async fn ask(&self, stream: &StreamKey, body: &Json) -> Result<Outcome, Fault> {
        let secret = &self.app.node().info().secret;
        let dedup = match self.once {
            true => self.caller.dedup_each(secret, &stream.id, body.text()),
            false => Dedup::None,
        };
        let (stream, origin) = (stream.clone(), self.caller.origin.clone());
        let (name, body) = ("migrate".into(), body.clone());
        let command = Command { stream, name, body, external_key: None, origin, dedup };
        Ok(self.app.node().command(command).await?.outcome)
    }
}

impl Walked {
    fn refuse(&mut self, stream: &StreamKey, problem: &Problem) {
        let (code, message) = (problem.code(), problem.detail());
        self.refused.push(json!({ "run": stream.id, "code": code, "message": message }));
    }
}

/// True for what the next run would meet, too, and another request or another node has to see to.
pub(super) fn is_of_the_node(fault: &Fault) -> bool {
    match fault {
        Fault::NotOwner { .. } | Fault::ShuttingDown | Fault::Held => true,
        Fault::Overloaded { .. } | Fault::Quarantined { .. } | Fault::KeyReused | Fault::Unknown => false,
        Fault::Unavailable { .. } | Fault::Refused { .. } | Fault::Trimmed { .. } => false,
    }
}
