//! The list of runs, and what it can be narrowed to.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::Fault;
use promptsales_engine::id::StreamKey;
use promptsales_engine::projection::index::{Search, Term, Test};
use promptsales_engine::workflow::found::{ATTRIBUTE, fields};
use promptsales_engine::workflow::machine::Status;
use serde_json::Value;

use super::{RUN, run_schema};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, encoded};
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};
use crate::http::token;
use crate::routes::entities::{set_aside, wait_for};

/// Candidates looked at for one page of a filtered list.
const LOOKED_AT: usize = 1_000;

const LIST: &[(&str, &str)] = &[
    ("status", "only runs of these statuses, joined by commas"),
    ("workflow", "only runs of these workflows, joined by commas"),
    ("version", "only runs of this version"),
    ("key", "only runs that were started under this key"),
    ("parent", "only runs that this run has started"),
    ("since", "only runs started at or after this moment (RFC 3339)"),
    ("until", "only runs started before this moment (RFC 3339)"),
    ("endedSince", "only runs that ended at or after this moment (RFC 3339)"),
    ("endedUntil", "only runs that ended before this moment (RFC 3339)"),
    (
        "attr.NAME",
        "only runs with this search attribute; `attr.NAME.from` and `attr.NAME.below` are bounds of numbers, texts \
         or times",
    ),
];

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("get", "/api/v1/runs", "Lists runs, the newest first", get(list))
            .query(LIST)
            .query(PAGE)
            .answer(200, page_of(&run_schema())),
    ]
}

/// What a list is narrowed to: the parameters, and what they ask.
struct Filter {
    given: Vec<(String, String)>,
    search: Search,
}

impl Filter {
    fn read(caller: &Caller, query: Vec<(String, String)>) -> Result<Self, Problem> {
        let (mut given, mut tests) = (Vec::new(), Vec::new());
        for (name, text) in query {
            if let Some(test) = test_of(&name, &text)? {
                tests.push(test);
                given.push((name, text));
            }
        }
        Ok(Self { given, search: Search { tenant: caller.tenant.clone(), prefix: RUN, tests } })
    }

    /// True if runs that are set aside belong in the list, of which only that is known.
    fn takes_set_aside(&self) -> bool {
        let wanted = Term::text(Status::NeedsAttention.name());
        matches!(&*self.search.tests, [(name, Test::Is(any))] if name == "status" && any.contains(&wanted))
    }

    fn path(&self, limit: usize) -> String {
        let given = self.given.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
        format!("/api/v1/runs?limit={limit}{}", given.collect::<String>())
    }
}

/// What a parameter asks; none where it is another one's.
fn test_of(name: &str, text: &str) -> Result<Option<(String, Test)>, Problem> {
    let time = || {
        let wrong = |e| Problem::new(Code::InvalidParameter, format!("`{name}`: {e}"));
        text.parse::<Timestamp>().map(Term::time).map_err(wrong)
    };
    let any = || Test::Is(text.split(',').map(Term::text).collect());
    let test = match name {
        "status" => {
            let unknown = |one: &&str| !Status::ALL.iter().any(|known| known.name() == *one);
            if let Some(one) = text.split(',').find(unknown) {
                let names = Status::ALL.map(Status::name).join("`, `");
                let detail = format!("`status`: there is no status `{one}`; use `{names}`");
                return Err(Problem::new(Code::InvalidParameter, detail));
            }
            (name, any())
        }
        "workflow" => (name, any()),
        "version" | "key" | "parent" => (name, Test::Is(vec![Term::text(text)])),
        "since" => ("startedAt", Test::From(time()?)),
        "until" => ("startedAt", Test::Below(time()?)),
        "endedSince" => ("endedAt", Test::From(time()?)),
        "endedUntil" => ("endedAt", Test::Below(time()?)),
        _ => return attribute_test(name, text),
    };
    Ok(Some((test.0.to_owned(), test.1)))
}

fn attribute_test(name: &str, text: &str) -> Result<Option<(String, Test)>, Problem> {
    let Some(of) = name.strip_prefix(ATTRIBUTE) else { return Ok(None) };
    let mut meant = Term::meant(text);
    let (of, test) = match of.split_once('.') {
        None => (of, Test::Is(meant)),
        Some((of, "from")) => (of, Test::From(meant.swap_remove(0))),
        Some((of, "below")) => (of, Test::Below(meant.swap_remove(0))),
        Some(_) => {
            let detail = format!("`{name}`: use `attr.NAME`, `attr.NAME.from` or `attr.NAME.below`");
            return Err(Problem::new(Code::InvalidParameter, detail));
        }
    };
    Ok(Some((format!("{ATTRIBUTE}{of}"), test)))
}

/// Lists runs. A filtered page may be short; its `next` says whether there is more to look at.
async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(query): Query<Vec<(String, String)>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    wait_for(&app, &headers).await?;
    let (limit, mut after) = (page.limit()?, page.after()?);
    let filter = Filter::read(&caller, query)?;
    let path = filter.path(limit);
    let mut items = Vec::new();
    if after.is_none() && filter.takes_set_aside() {
        items.extend(all_set_aside(&app, &caller).await);
        items.truncate(limit);
    }
    for _ in 0..LOOKED_AT / limit {
        let found = candidates(&app, &filter.search, after, limit, &headers).await?;
        let is_more = found.len() == limit;
        let (cursors, streams): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        for (read, cursor) in app.node().read_each(&streams).await.into_iter().zip(cursors) {
            if items.len() == limit {
                return Ok(Page::new(items, after, path).into_response());
            }
            after = Some(cursor);
            let run = match read {
                Ok(view) => view.map(|view| view.state.value()),
                Err(fault) if filter.search.tests.is_empty() => Some(quarantined(&fault).ok_or(fault)?),
                Err(fault) if set_aside(&fault).is_some() => None,
                Err(fault) => return Err(fault.into()),
            };
            items.extend(run.filter(|run| filter.search.fits(&fields(run))));
        }
        if !is_more {
            after = None;
        }
        if !is_more || items.len() == limit {
            break;
        }
    }
    Ok(Page::new(items, after, path).into_response())
}

/// Runs behind a cursor that may fit, each with its own cursor, the newest first.
async fn candidates(
    app: &App,
    search: &Search,
    after: Option<u64>,
    limit: usize,
    headers: &HeaderMap,
) -> Result<Vec<(u64, StreamKey)>, Problem> {
    if search.tests.is_empty() {
        let page = app.node().list(&search.tenant, RUN, after, true, limit).await?;
        return Ok(page.streams.into_iter().map(|(stream, cursor)| (cursor, stream)).collect());
    }
    let found = app.node().find(search, after, limit).await?;
    if found.is_behind && headers.contains_key(token::HEADER) {
        let detail = "the index is behind: repeat the read a little later, or without the token";
        return Err(Problem::new(Code::PositionNotReached, detail));
    }
    Ok(found.streams)
}

/// The runs that are set aside, as a list shows them.
async fn all_set_aside(app: &App, caller: &Caller) -> Vec<Value> {
    let asides = app.node().quarantined();
    let runs = asides.into_iter().map(|aside| aside.stream);
    let runs: Vec<_> = runs.filter(|it| it.tenant == caller.tenant && it.id.prefix() == RUN).collect();
    let read = app.node().read_each(&runs).await;
    read.into_iter().filter_map(|read| quarantined(&read.err()?)).collect()
}

/// What a list shows of a run that is quarantined: it needs attention, and says why.
fn quarantined(fault: &Fault) -> Option<Value> {
    let mut run = set_aside(fault)?;
    run["status"] = Status::NeedsAttention.name().into();
    Some(run)
}
