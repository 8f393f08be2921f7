//! Finding entities by what they are.

use std::time::Duration;

use futures_util::future::join_all;

use super::Node;
use crate::id::StreamKey;
use crate::journal;
use crate::projection::index::Search;

/// How long the index is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Candidates, the newest first, each with the cursor to go on behind it.
    pub streams: Vec<(u64, StreamKey)>,
    /// True if what was committed before the search may be missing: the index is behind.
    pub is_behind: bool,
}

impl Node {
    /// Finds entities by their fields, at most `limit`, the newest first, behind the cursor `before`.
    ///
    /// Waits a moment for the index to be where the node's own partitions are. What is found was so then; who shows it
    /// looks whether it still is.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub async fn find(
        &self,
        search: &Search,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Found, journal::Error> {
        let partitions = &self.0.partitions;
        let owned = partitions.holdings.all();
        let reached = owned.iter().map(|owned| {
            let feeds = owned.feeds();
            let position = *feeds.position.borrow();
            async move { feeds.changes.reached(position).await }
        });
        let is_behind = tokio::time::timeout(PATIENCE, join_all(reached)).await.is_err();
        let streams = partitions.index.find(search, before, limit).await?;
        Ok(Found { streams, is_behind })
    }

    /// The cursor of an entity in the index; as long as it stays the same, so do all cursors.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub async fn cursor_of(&self, stream: &StreamKey) -> Result<Option<u64>, journal::Error> {
        self.0.partitions.index.number(stream).await
    }
}
