//! Damage to what a stopped server has stored: bytes of its journal are changed where they lie.

use std::path::Path;

/// Replaces a text by another of the same length wherever it stands in the journal of a server that was told to end.
///
/// # Panics
///
/// When the server has not ended in good order, or the text is not there.
pub fn damage(folder: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len(), "pages keep their layout");
    let log = folder.join("journal.db-wal");
    assert!(std::fs::metadata(log).map_or(0, |wal| wal.len()) == 0, "everything is in the main file");
    let path = folder.join("journal.db");
    let mut bytes = std::fs::read(&path).expect("the journal can be read");
    let places: Vec<_> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "`{from}` is not in the journal");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    std::fs::write(&path, bytes).expect("the journal can be written");
}
