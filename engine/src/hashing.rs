//! Maps for the path of every command, where hashing shows: SipHash took a thirtieth of a command's instructions.
//!
//! foldhash is seeded per map and fast for short keys. It withstands guessed collisions less well than SipHash; the
//! keys of these maps are ids and digests made under the store's secret, which nobody outside can choose.

use std::collections::{HashMap, HashSet};

/// How these maps hash.
pub(crate) type Hashing = foldhash::fast::RandomState;

/// A map that hashes fast.
pub(crate) type FastMap<K, V> = HashMap<K, V, Hashing>;

/// A set that hashes fast.
pub(crate) type FastSet<K> = HashSet<K, Hashing>;
