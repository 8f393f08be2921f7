//! The stream of events: server-sent events (WHATWG HTML, section 9.2), each a CloudEvent 1.0 in the JSON format.
//!
//! Journalled events carry an `id:`, the cursor behind them; what supervisors restart is not in the journal, carries
//! none, and so does not move the place from which a client resumes.

mod feed;
mod published;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use promptsales_engine::projection::Cursor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use feed::Feed;
pub use published::{Filter, PUBLISHED};

/// The limits of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// How often a stream without news gives a sign of life.
    pub heartbeat: Duration,
    /// Streams that are open at the same time; beyond it they are answered 429.
    pub clients: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(15), clients: 64 }
    }
}

/// The room that there is for streams.
pub struct Streams {
    /// The limits.
    pub limits: StreamLimits,
    room: Arc<Semaphore>,
}

impl Streams {
    /// Room for as many as the limits say.
    pub fn new(limits: StreamLimits) -> Self {
        Self { limits, room: Arc::new(Semaphore::new(limits.clients)) }
    }

    /// A place for one more; `None` where there is none.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().ok()
    }
}

/// A cursor as clients see it: text that means nothing to them.
pub fn written(cursor: &Cursor) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(cursor.to_bytes())
}

/// Reads a cursor as a client sends it back; `None` for what is none.
pub fn read(text: &str) -> Option<Cursor> {
    Cursor::from_bytes(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
