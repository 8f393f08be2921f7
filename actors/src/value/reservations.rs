//! Reservations: amounts that are set aside under a key before it is known how much of them is used.
//!
//! A reservation is known by its id: whoever asks for the same one again gets the same answer, also when it has ended.
//! The newest ended ones are remembered, so many of them ([`REMEMBERED`]).

use std::collections::{BTreeMap, VecDeque};

use promptsales_engine::clock::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Text;

/// The caller's own id of a reservation.
pub type ReservationId = Text<128>;

/// The most reservations that are open at a time.
pub const MAX_OPEN: usize = 256;

/// How many ended reservations are remembered.
pub const REMEMBERED: usize = 256;

/// An amount that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation<K> {
    /// What it is taken from.
    pub key: K,
    /// How much.
    pub amount: u64,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How a reservation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Ending {
    /// It was used, or a part of it.
    Settled,
    /// It was given back.
    Released,
    /// Nobody settled it in time.
    Expired,
}

impl Ending {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A reservation that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended<K> {
    /// The reservation.
    pub id: ReservationId,
    /// What it was taken from.
    pub key: K,
    /// How much was set aside.
    pub amount: u64,
    /// How much of it was used.
    pub used: u64,
    /// How it ended.
    pub ending: Ending,
}

/// What is known of a reservation that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<'r, K> {
    /// Nothing.
    New,
    /// It is open.
    Open(&'r Reservation<K>),
    /// It has ended.
    Ended(&'r Ended<K>),
}

/// The reservations of one entity: those that are open, and the newest that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(serialize = "K: Serialize", deserialize = "K: DeserializeOwned"))]
pub struct Reservations<K> {
    /// Those that are open.
    pub open: BTreeMap<ReservationId, Reservation<K>>,
    /// Those that ended, the last one last.
    pub ended: VecDeque<Ended<K>>,
}

impl<K> Default for Reservations<K> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), ended: VecDeque::new() }
    }
}

impl<K: PartialEq> Reservations<K> {
    /// Says what is known of one.
    pub fn known(&self, id: &ReservationId) -> Known<'_, K> {
        if let Some(open) = self.open.get(id) {
            return Known::Open(open);
        }
        self.ended.iter().rev().find(|ended| ended.id == *id).map_or(Known::New, Known::Ended)
    }

    /// What is set aside under a key.
    pub fn reserved(&self, key: &K) -> u64 {
        let open = self.open.values().filter(|reservation| reservation.key == *key);
        open.fold(0, |sum, reservation| sum.saturating_add(reservation.amount))
    }

    /// True if there is room for another one.
    pub fn has_room(&self) -> bool {
        self.open.len() < MAX_OPEN
    }

    /// Sets an amount aside.
    pub fn take(&mut self, id: ReservationId, reservation: Reservation<K>) {
        self.open.insert(id, reservation);
    }

    /// Ends one, of which so much was used; gives what it was taken from.
    pub fn end(&mut self, id: &ReservationId, used: u64, ending: Ending) -> Option<&Ended<K>> {
        let Reservation { key, amount, .. } = self.open.remove(id)?;
        if self.ended.len() >= REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { id: id.clone(), key, amount, used, ending });
        self.ended.back()
    }

    /// Those that end by themselves at a moment or before it.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &ReservationId> {
        let due = move |reservation: &Reservation<K>| reservation.expires_at.is_some_and(|at| at <= now);
        self.open.iter().filter(move |(_, reservation)| due(reservation)).map(|(id, _)| id)
    }

    /// When the next one ends by itself.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.open.values().filter_map(|reservation| reservation.expires_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_ones_are_remembered_up_to_a_bound() {
        let mut all = Reservations::<u8>::default();
        for number in 0..=REMEMBERED {
            let id: ReservationId = number.to_string().parse().unwrap();
            all.take(id.clone(), Reservation { key: 1, amount: 2, expires_at: None });
            assert_eq!((all.reserved(&1), all.reserved(&2)), (2, 0));
            assert_eq!(all.end(&id, 1, Ending::Settled).map(|ended| ended.used), Some(1));
            assert!(matches!(all.known(&id), Known::Ended(ended) if ended.ending == Ending::Settled));
        }
        assert_eq!((all.ended.len(), all.known(&"0".parse().unwrap())), (REMEMBERED, Known::New));
    }
}
