//! One client's stream. It reads the journal at the pace at which the client takes what is sent: nothing is queued.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use promptsales_engine::projection::{Tail, TailError};
use promptsales_engine::supervise::Notice;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::published::{Filter, Published, of_event, of_missed, of_notice};
use super::written;
use crate::app::App;

/// How long a client is asked to wait before it connects again, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// Bytes after which a piece is sent.
const PIECE: usize = 16 * 1024;

/// What one client follows.
pub struct Feed {
    app: App,
    tail: Tail,
    notices: Receiver<Notice>,
    watches: bool,
    filter: Filter,
    heartbeat: Duration,
    begun: bool,
    ended: bool,
    /// The cursor that the client has.
    known: String,
    _place: OwnedSemaphorePermit,
}

/// What came first.
enum Came {
    Stopping,
    Beat,
    Notice(Result<Notice, RecvError>),
    Event(Result<promptsales_engine::journal::Event, TailError>),
}

impl Feed {
    /// A stream over a tail, for as long as it has its place.
    pub fn new(
        app: App,
        tail: Tail,
        filter: Filter,
        heartbeat: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (notices, known) = (app.node().notices(), String::new());
        let (watches, begun, ended) = (true, false, false);
        Self { app, tail, notices, watches, filter, heartbeat, begun, ended, known, _place: place }
    }

    /// The pieces to send, until the client goes, the node ends, or the journal cannot be followed any further.
    pub fn pieces(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        unfold(self, |mut feed| async move {
            let piece = feed.piece().await?;
            Some((Ok(piece.into()), feed))
        })
    }

    async fn piece(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let mut text = String::new();
        if !self.begun {
            self.begun = true;
            // Whoever goes before the first event resumes here.
            text.push_str(&format!("retry: {RETRY_MS}\n"));
            self.write_place(&mut text);
            return Some(text);
        }
        let cx = self.app.node().cx().clone();
        let due = cx.monotonic() + self.heartbeat;
        while text.is_empty() {
            let left = due.saturating_duration_since(cx.monotonic());
            let came = tokio::select! {
                biased;
                () = self.app.until_stopping() => Came::Stopping,
                () = cx.sleep(left) => Came::Beat,
                notice = self.notices.recv(), if self.watches => Came::Notice(notice),
                event = self.tail.next() => Came::Event(event),
            };
            match came {
                Came::Stopping => self.end(&mut text, "the node is ending: connect again"),
                Came::Beat => {
                    text.push_str(": beat\n");
                    self.write_place(&mut text);
                }
                Came::Notice(Ok(notice)) => {
                    let published = of_notice(&self.app, &notice);
                    self.write_if_wanted(&mut text, &published);
                }
                Came::Notice(Err(RecvError::Lagged(missed))) => {
                    let published = of_missed(&self.app, missed);
                    self.write_if_wanted(&mut text, &published);
                }
                Came::Notice(Err(RecvError::Closed)) => self.watches = false,
                Came::Event(Ok(event)) => self.gather(&mut text, event).await,
                Came::Event(Err(error)) => self.end(&mut text, &error.to_string()),
            }
        }
        Some(text)
    }

    /// Writes an event, and those that have been read with it, up to a piece.
    async fn gather(&mut self, text: &mut String, first: promptsales_engine::journal::Event) {
        let mut next = Some(first);
        while let Some(event) = next {
            if let Some(published) = of_event(&self.app, &event).await
                && self.filter.wants(&published)
            {
                self.known = written(&self.tail.cursor());
                text.extend(["id: ", &self.known, "\n"]);
                write_data(text, &published);
            }
            if text.len() >= PIECE {
                return;
            }
            next = match self.tail.take() {
                Ok(next) => next,
                Err(error) => return self.end(text, &error.to_string()),
            };
        }
    }

    fn write_if_wanted(&self, text: &mut String, published: &Published) {
        if self.filter.wants(published) {
            write_data(text, published);
        }
    }

    /// Writes where the client is by now, if it does not know: an event without data, which moves its last event id.
    fn write_place(&mut self, text: &mut String) {
        let place = written(&self.tail.cursor());
        if place != self.known {
            text.extend(["id: ", &place, "\n"]);
            self.known = place;
        }
        text.push('\n');
    }

    fn end(&mut self, text: &mut String, why: &str) {
        self.ended = true;
        text.push_str(&format!(": ended: {}\n\n", why.replace(['\r', '\n'], " ")));
    }
}

fn write_data(text: &mut String, published: &Published) {
    // JSON as it is written here has no line breaks.
    text.extend(["data: ", &published.json.to_string(), "\n\n"]);
}
