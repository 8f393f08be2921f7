//! Finding the runs that are meant, a page at a time.

use promptsales_engine::clock::Timestamp;
use promptsales_engine::effect::{Call, CallError};
use promptsales_engine::entity::{Fault, View};
use promptsales_engine::id::{IdKind as _, StreamKey};
use promptsales_engine::projection::index::{Search, Term, Test};
use promptsales_engine::runtime::{Found, Node};
use promptsales_engine::workflow::found::fields;
use promptsales_engine::workflow::run::Run;

use super::{After, Find, PAGE, Page, failed, refused, unreached};

/// Runs of which the state is read at once.
const READ: usize = 100;
/// Runs that are looked at for one page; it may be short.
const LOOKED_AT: usize = 2_000;

/// Finds a page of runs.
pub(super) async fn find(
    node: &Node,
    call: &Call<'_>,
    Find { asked, after }: &Find,
) -> Result<Page, CallError> {
    let after = *after;
    let tests = asked.check().map_err(|wrong| refused("invalid_act", &wrong.to_string()))?;
    let mut search = Search { tenant: call.stream.tenant.clone(), prefix: Run::PREFIX, tests };
    let mut page = Page::default();
    let mut before = after.map(|after| after.before);
    let asker = asker(node, &search, call.stream).await?;
    if after.is_some_and(|after| after.asker != asker) {
        // All over again: what was done to a run is not done twice. Those that came since are not meant.
        before = None;
        search.tests.push(("startedAt".to_owned(), Test::Below(begun(node, call.stream).await?)));
    }
    for _ in 0..LOOKED_AT / READ {
        let found = search_for(node, &search, before, READ).await?;
        let is_last = found.len() < READ;
        let (cursors, streams): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        for ((read, stream), cursor) in node.read_each(&streams).await.into_iter().zip(streams).zip(cursors) {
            before = Some(cursor);
            if stream != *call.stream {
                page.take(&search, &stream, read)?;
            }
        }
        page.next = before.map(|before| After { before, asker });
        if is_last {
            page.next = None;
        }
        if is_last || page.runs.len() + READ > PAGE {
            break;
        }
    }
    Ok(page)
}

impl Page {
    /// Takes a run that was found, if it is meant still.
    fn take(
        &mut self,
        search: &Search,
        stream: &StreamKey,
        read: Result<Option<View>, Fault>,
    ) -> Result<(), CallError> {
        match read {
            Ok(None) => {}
            Ok(Some(view)) => {
                if search.fits(&fields(Some(&view.state.value()))) {
                    self.runs.push(stream.id);
                }
            }
            Err(fault @ (Fault::Quarantined { .. } | Fault::Refused { .. })) => {
                if search.fits(&fields(None)) {
                    self.refused.push(unreached(stream.id, &fault));
                }
            }
            // Whoever owns it says whether it is meant.
            Err(Fault::NotOwner { .. }) => self.runs.push(stream.id),
            Err(fault) => return Err(failed("not_readable", &fault.to_string())),
        }
        Ok(())
    }
}

/// The cursor of the run that asks; it is in the index once a search has waited for it.
async fn asker(node: &Node, search: &Search, stream: &StreamKey) -> Result<u64, CallError> {
    for _ in 0..2 {
        if let Some(cursor) = node.cursor_of(stream).await.map_err(|e| failed("index", &e.to_string()))? {
            return Ok(cursor);
        }
        search_for(node, search, None, 1).await?;
    }
    Err(failed("index_behind", "the index does not know yet who asks"))
}

async fn search_for(
    node: &Node,
    search: &Search,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, StreamKey)>, CallError> {
    let found = node.find(search, before, limit).await.map_err(|e| failed("index", &e.to_string()))?;
    match found {
        Found { is_behind: true, .. } => Err(failed("index_behind", "the index is behind")),
        Found { streams, .. } => Ok(streams),
    }
}

/// When a run began.
async fn begun(node: &Node, stream: &StreamKey) -> Result<Term, CallError> {
    let view = node.read(stream).await.map_err(|fault| failed("not_readable", &fault.to_string()))?;
    let begun = view.and_then(|view| view.state.value()["startedAt"].as_str()?.parse::<Timestamp>().ok());
    begun.map(Term::time).ok_or_else(|| failed("not_readable", "it is not known when the run began"))
}
