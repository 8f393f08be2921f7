//! The newest streams of some kinds among those that the index holds: so that the first pages of a list, which are
//! asked for most, need no query.
//!
//! What is here of a kind is always an upper end of what the index holds of it: with a stream, every newer one is
//! here too. The tail holds everything newer than the index, so the two together are an upper end of all there is,
//! and the newest `limit` of them below a position are the newest of all below it, if they are that many. An upper
//! end stays one when its oldest are dropped; so it may be cut at any length, and forgotten at any time.

use std::collections::BTreeMap;

use super::tail::Kind;
use crate::hashing::FastMap;
use crate::id::{Prefix, StreamId, TenantId};
use crate::journal::Position;

/// Streams of one kind that are kept: some more than fill the largest page.
const STREAMS: usize = 128;
/// Kinds of which some are kept, each of each tenant; with more of them, all are forgotten.
const KINDS: usize = 256;

/// First events by kind and position.
pub(super) type Firsts = BTreeMap<(TenantId, Prefix, Position), StreamId>;

#[derive(Debug, Default)]
pub(super) struct Newest(FastMap<(TenantId, Prefix), End>);

/// The upper end of what the index holds of a kind.
#[derive(Debug, Default)]
struct End {
    streams: BTreeMap<Position, StreamId>,
    /// True if there is nothing below it.
    is_all: bool,
}

impl End {
    fn cut(&mut self) {
        while self.streams.len() > STREAMS {
            self.streams.pop_first();
            self.is_all = false;
        }
    }
}

impl Newest {
    /// The streams of a kind between two positions, at most `limit`, newest first; and whether there is nothing in the
    /// index below what is kept.
    pub(super) fn of(
        &self,
        (tenant, prefix): Kind<'_>,
        (above, below): (Position, Position),
        limit: usize,
    ) -> (Vec<(Position, StreamId)>, bool) {
        let Some(end) = self.0.get(&(tenant.clone(), prefix)) else { return (Vec::new(), false) };
        let from = above.saturating_add(1);
        let found = end.streams.range(from..below.max(from)).rev().take(limit);
        (found.map(|(pos, id)| (*pos, *id)).collect(), end.is_all)
    }

    /// Takes in what has come into the index from the tail: all that the index holds now and did not hold before.
    pub(super) fn merged(&mut self, firsts: &Firsts) {
        let mut last = firsts.last_key_value();
        for _ in 0..KINDS {
            let Some(((tenant, prefix, _), _)) = last else { return };
            let bound = |pos| (tenant.clone(), *prefix, pos);
            let newest = firsts.range(bound(0)..=bound(Position::MAX)).rev();
            // One more than is kept, so that it is seen where some are left out.
            let newest = newest.take(STREAMS + 1).map(|((.., pos), id)| (*pos, *id));
            self.learn((tenant, *prefix), newest, false);
            last = firsts.range(..bound(0)).next_back();
        }
        self.0.clear();
    }

    /// Leaves a stream out that the index does not hold any more.
    pub(super) fn forget(&mut self, (tenant, prefix): Kind<'_>, first: Position) {
        if let Some(end) = self.0.get_mut(&(tenant.clone(), prefix)) {
            end.streams.remove(&first);
        }
    }

    /// Takes in the newest streams of a kind that the index holds, as a query has found them.
    pub(super) fn learn(
        &mut self,
        (tenant, prefix): Kind<'_>,
        streams: impl Iterator<Item = (Position, StreamId)>,
        is_all: bool,
    ) {
        let end = self.end((tenant, prefix));
        end.streams.extend(streams);
        end.is_all |= is_all;
        end.cut();
    }

    fn end(&mut self, (tenant, prefix): Kind<'_>) -> &mut End {
        if self.0.len() >= KINDS && !self.0.contains_key(&(tenant.clone(), prefix)) {
            self.0.clear();
        }
        self.0.entry((tenant.clone(), prefix)).or_default()
    }
}
