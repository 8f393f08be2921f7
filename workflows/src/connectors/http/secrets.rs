//! Secrets: what services are called with, kept in a file of the operator's and in no journal.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

/// A file of secrets that cannot be used. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// It cannot be read.
    #[error("cannot read the secrets of {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// What happened.
        #[source]
        cause: std::io::Error,
    },
    /// It is neither YAML nor JSON, or no map of names to texts and maps.
    #[error("{path} is no map of names to texts or maps")]
    Unusable {
        /// The file.
        path: String,
    },
}

type Named = BTreeMap<String, Value>;

/// Secrets by name: each a text, or a map of texts and maps. `Debug` shows the names alone.
///
/// The file is read anew when it has changed; while what it holds cannot be used, the secrets stay as they were.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Inner>);

#[derive(Default)]
struct Inner {
    path: Option<PathBuf>,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// When the file had been changed, and how long it was.
    version: Option<(SystemTime, u64)>,
    named: Arc<Named>,
}

impl Secrets {
    /// No secrets.
    pub fn none() -> Self {
        Self::default()
    }

    /// The secrets of a YAML or JSON file: a map of names to texts or maps.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no such map.
    pub fn open(path: &Path) -> Result<Self, SecretsError> {
        let version = version(path)?;
        let read = Mutex::new(Read { version: Some(version), named: Arc::new(read(path)?) });
        Ok(Self(Arc::new(Inner { path: Some(path.to_owned()), read })))
    }

    /// The value of a secret, or of a part of it: `NAME`, or `NAME.PATH` with the parts of the path after dots.
    pub(super) fn find(&self, reference: &str) -> Option<Value> {
        let named = self.current();
        if let Some(value) = named.get(reference) {
            return Some(value.clone());
        }
        let mut parts = reference.split('.');
        let mut value = named.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value.clone())
    }

    fn current(&self) -> Arc<Named> {
        let mut now = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.0.path else { return now.named.clone() };
        let found = version(path);
        let before = std::mem::replace(&mut now.version, found.as_ref().ok().copied());
        if now.version == before {
            return now.named.clone();
        }
        match found.and_then(|_| read(path)) {
            Ok(named) => now.named = Arc::new(named),
            // Said once for each change.
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(error = cause, "the secrets stay as they were");
            }
        }
        now.named.clone()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("Secrets").field(&read.named.keys().collect::<Vec<_>>()).finish()
    }
}

fn version(path: &Path) -> Result<(SystemTime, u64), SecretsError> {
    let about = std::fs::metadata(path).and_then(|about| Ok((about.modified()?, about.len())));
    about.map_err(|cause| SecretsError::Unreadable { path: path.display().to_string(), cause })
}

fn read(path: &Path) -> Result<Named, SecretsError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|cause| SecretsError::Unreadable { path: shown.clone(), cause })?;
    if text.trim().is_empty() {
        return Ok(Named::new());
    }
    // What a reader says of a text that it does not understand repeats pieces of it.
    let named: Option<Named> = serde_yaml_ng::from_str(&text).ok();
    let usable = |named: &Named| named.values().all(|value| value.is_string() || value.is_object());
    named.filter(usable).ok_or(SecretsError::Unusable { path: shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.yaml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn secrets_are_found_by_name_and_path() {
        let (_folder, path) = written("a: plain\nb: {user: ada, deep: {key: k1}}\nwith.dot: dotted\n");
        let secrets = Secrets::open(&path).unwrap();
        let found = |reference: &str| secrets.find(reference);
        assert_eq!(found("a"), Some("plain".into()));
        assert_eq!(found("b.user"), Some("ada".into()));
        assert_eq!(found("b.deep"), Some(serde_json::json!({ "key": "k1" })));
        assert_eq!(found("b.deep.key"), Some("k1".into()));
        assert_eq!(found("with.dot"), Some("dotted".into()));
        for wrong in ["c", "a.b", "b.no", "b.deep.key.more", "", "."] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_changed_file_is_read_anew_and_a_broken_one_changes_nothing() {
        let (_folder, path) = written("a: one");
        let secrets = Secrets::open(&path).unwrap();
        std::fs::write(&path, r#"{"a": "second"}"#).unwrap();
        assert_eq!(secrets.find("a"), Some("second".into()));
        std::fs::write(&path, "- not a map").unwrap();
        assert_eq!(secrets.find("a"), Some("second".into()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secrets.find("a"), Some("second".into()));
        std::fs::write(&path, "a: the third").unwrap();
        assert_eq!(secrets.find("a"), Some("the third".into()));
    }

    #[test]
    fn only_names_are_ever_shown() {
        let (_folder, path) = written("token: s3cret-value\n");
        let shown = format!("{:?}", Secrets::open(&path).unwrap());
        assert_eq!(shown, r#"Secrets(["token"])"#);
        std::fs::write(&path, "token: [s3cret-value\n").unwrap();
        let error = Secrets::open(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        std::fs::write(&path, "token: 12\n").unwrap();
        assert!(matches!(Secrets::open(&path), Err(SecretsError::Unusable { .. })));
        assert!(matches!(Secrets::open(Path::new("/nowhere")), Err(SecretsError::Unreadable { .. })));
    }
}
