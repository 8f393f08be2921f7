//! Backups as files: a folder with the copy and what is known of it.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use promptsales_engine::journal::Backup;
use serde::{Deserialize, Serialize};

/// The name of the copy in a backup's folder; it is the name in a data folder too.
pub const COPY: &str = "journal.db";
/// The name of the description beside it.
pub const MANIFEST: &str = "backup.json";

/// What is known of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// What it holds.
    pub backup: Backup,
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3 digest, in hexadecimal.
    pub blake3: String,
}

/// Counts and digests what can be read.
///
/// # Errors
///
/// When it cannot be read.
pub fn digest_of(from: &mut impl Read) -> std::io::Result<(u64, String)> {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hasher.finalize().to_hex().to_string()));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Finds the copy in a backup's folder, and checks that it is the one that was described.
///
/// # Errors
///
/// When it is not there, or is not what was described.
pub fn verified(folder: &Path) -> anyhow::Result<(PathBuf, Manifest)> {
    let (copy, manifest) = (folder.join(COPY), folder.join(MANIFEST));
    let text = std::fs::read_to_string(&manifest)
        .with_context(|| format!("{} is no backup: it has no {MANIFEST}", folder.display()))?;
    let manifest: Manifest =
        serde_json::from_str(&text).with_context(|| format!("{} cannot be read", manifest.display()))?;
    let mut file =
        std::fs::File::open(&copy).with_context(|| format!("{} cannot be opened", copy.display()))?;
    let found = digest_of(&mut file)?;
    if found != (manifest.bytes, manifest.blake3.clone()) {
        bail!("{} is not the copy that {MANIFEST} describes: it has been cut off or changed", copy.display());
    }
    Ok((copy, manifest))
}
