//! Doors: so many calls go to one place at the same time, so that one which takes calls and does not answer them leaves
//! room for calls to others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CircuitId;

/// Doors beyond which those that nobody stands at are forgotten.
const KEPT: usize = 1_024;

/// The doors of one connector. Its own circuit, which all its calls share, has none.
#[derive(Debug)]
pub(super) struct Doors {
    at_once: usize,
    doors: Mutex<BTreeMap<CircuitId, Arc<Semaphore>>>,
}

impl Doors {
    /// Doors that let so many calls through at the same time.
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), doors: Mutex::default() }
    }

    /// The door in front of a place; none for the connector's own circuit.
    pub(super) fn of(&self, circuit: CircuitId) -> Option<Arc<Semaphore>> {
        if circuit == CircuitId::OWN {
            return None;
        }
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= KEPT && !doors.contains_key(&circuit) {
            // Whoever waits or calls holds the door too.
            doors.retain(|_, door| Arc::strong_count(door) > 1);
        }
        let door = doors.entry(circuit).or_insert_with(|| Arc::new(Semaphore::new(self.at_once)));
        Some(door.clone())
    }
}

/// The place of a call that has gone through a door.
pub(super) type Through = Option<OwnedSemaphorePermit>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;

    fn place(number: usize) -> CircuitId {
        CircuitId::new(&TenantId::default_tenant(), Some(&number.to_string()))
    }

    #[test]
    fn a_door_is_kept_as_long_as_somebody_stands_at_it() {
        let doors = Doors::new(1);
        assert!(doors.of(CircuitId::OWN).is_none());
        let through = doors.of(place(0)).unwrap().try_acquire_owned().unwrap();
        assert!(doors.of(place(0)).unwrap().try_acquire_owned().is_err(), "one at a time");
        for number in 1..5 * KEPT {
            assert!(doors.of(place(number)).unwrap().try_acquire_owned().is_ok());
        }
        assert!(doors.doors.lock().unwrap().len() <= KEPT);
        assert!(doors.of(place(0)).unwrap().try_acquire_owned().is_err(), "it is the same door");
        drop(through);
        assert!(doors.of(place(0)).unwrap().try_acquire_owned().is_ok());
    }
}
