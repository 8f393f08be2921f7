//! Reads the events of a run piece by piece, and folds them where long work belongs.

use promptsales_engine::entity::Corruption;
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::Event;

use super::{coming, no_run};
use crate::app::App;
use crate::folds::Last;
use crate::http::problem::{Code, Problem};

/// Events that are read at a time.
const PIECE: usize = 256;

/// A fold of a run's events that an answer is made of.
pub(in crate::routes) trait Folding: Send + 'static {
    /// Folds a piece in; true if it has enough.
    ///
    /// # Errors
    ///
    /// When an event cannot follow.
    fn take_in(&mut self, events: &[Event]) -> Result<bool, Corruption>;
}

/// Folds the events of a run: all, or those behind what the fold has already. `None` if the stream has another event
/// where that one stood.
pub(in crate::routes) async fn folded<F: Folding>(
    app: &App,
    stream: &StreamKey,
    from: Option<Last>,
    mut fold: F,
) -> Result<Option<F>, Problem> {
    let mut piece = match from {
        None => first(app, stream, PIECE).await?,
        Some(last) => {
            let mut piece = app.node().events(stream, last.seq.saturating_sub(1), PIECE).await?;
            if piece.first().map(Last::of) != Some(last) {
                return Ok(None);
            }
            piece.remove(0);
            piece
        }
    };
    loop {
        let Some(after) = piece.last().map(|event| event.seq) else { return Ok(Some(fold)) };
        let work = move || {
            let enough = fold.take_in(&piece);
            (fold, enough)
        };
        let (back, enough) = app
            .node()
            .cx()
            .cpu(work)
            .await
            .map_err(|panicked| Problem::new(Code::Internal, panicked.to_string()))?;
        fold = back;
        if enough.map_err(|corrupt| Problem::new(Code::Internal, corrupt.to_string()))? {
            return Ok(Some(fold));
        }
        piece = app.node().events(stream, after, PIECE).await?;
    }
}

/// The first events of a run; waits for it to begin where it is accepted and has not.
pub(super) async fn first(app: &App, stream: &StreamKey, limit: usize) -> Result<Vec<Event>, Problem> {
    let mut events = app.node().events(stream, 0, limit).await?;
    if events.is_empty() {
        coming::until_begun(app, stream).await?;
        events = app.node().events(stream, 0, limit).await?;
    }
    if events.is_empty() { Err(no_run(&stream.id)) } else { Ok(events) }
}
