//! Tokens that were got, kept as long as they are good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use promptsales_engine::effect::CallError;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout_at};

use super::oauth::{self, OAuth};
use crate::connectors::http::failure::failed;
use crate::connectors::http::trip::Trip;

/// The most tokens kept.
const KEPT: usize = 512;

/// How long before its end a token is no longer used: it has to get there.
const MARGIN: Duration = Duration::from_secs(15);

/// What a token is known by: a digest of all that it was got with, so that no secret is kept for it.
type Key = [u8; 32];

/// A token as it goes into the header, with its end.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) credentials: String,
    pub(super) until: Instant,
}

type Slot = Arc<AsyncMutex<Option<Token>>>;

/// Tokens by what they were got with. Who wants one that is being got waits for that one.
#[derive(Default)]
pub(in crate::connectors::http) struct Tokens(Mutex<HashMap<Key, Slot>>);

impl Tokens {
    /// A token, and whether it was kept from before.
    pub(super) async fn token(&self, trip: &Trip<'_>, oauth: &OAuth) -> Result<(String, bool), CallError> {
        let slot = self.slot(key(oauth));
        let got = timeout_at(trip.until, async {
            let mut kept = slot.lock().await;
            let now = trip.parts.cx.monotonic();
            if let Some(token) = kept.as_ref().filter(|token| token.until > now) {
                return Ok((token.credentials.clone(), true));
            }
            let token = oauth::fetch(trip, oauth).await?;
            let credentials = token.credentials.clone();
            let left = token.until.saturating_duration_since(now);
            *kept = Some(Token { until: now + left.saturating_sub(MARGIN.min(left / 4)), ..token });
            Ok((credentials, false))
        });
        let got: Result<_, CallError> =
            got.await.unwrap_or_else(|_| Err(failed("timeout", "no token came in time")));
        let (credentials, was_kept) = got?;
        trip.hide(credentials.split_once(' ').map_or(&credentials, |(_, token)| token));
        Ok((credentials, was_kept))
    }

    /// Forgets a token that was not let in.
    pub(super) fn forget(&self, oauth: &OAuth) {
        self.slots().remove(&key(oauth));
    }

    /// Forgets all.
    #[cfg(test)]
    pub(in crate::connectors::http) fn forget_all(&self) {
        self.slots().clear();
    }

    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots();
        if slots.len() >= KEPT && !slots.contains_key(&key) {
            // Whoever has need of one of these gets it anew.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(key).or_default().clone()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(oauth: &OAuth) -> Key {
    Sha256::digest(oauth.stated.to_string()).into()
}
