//! The file: JSON lines, appended to and never changed, shared by whoever opens it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::SandboxError;
use super::state::{Entry, State};

/// The file, and how far it has been read.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    path: PathBuf,
    read: Progress,
}

/// How far a file has been read: complete lines only.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    bytes: u64,
    lines: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, SandboxError> {
        let make = || -> io::Result<File> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            OpenOptions::new().read(true).append(true).create(true).open(path)
        };
        let file = make().map_err(|cause| unusable(path, cause))?;
        Ok(Self { file, path: path.to_owned(), read: Progress::default() })
    }

    /// Does something while no other process or handle does.
    pub(super) fn locked<T>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<T, SandboxError>,
    ) -> Result<T, SandboxError> {
        self.file.lock().map_err(|cause| unusable(&self.path, cause))?;
        let outcome = job(self);
        self.file.unlock().map_err(|cause| unusable(&self.path, cause))?;
        outcome
    }

    /// Takes in what has been written since, and cuts off a line that was not completely written.
    pub(super) fn catch_up(&mut self, state: &mut State) -> Result<(), SandboxError> {
        let unusable = |cause| unusable(&self.path, cause);
        let length = self.file.metadata().map_err(unusable)?.len();
        if length == self.read.bytes {
            return Ok(());
        }
        if length < self.read.bytes {
            return Err(unusable(io::Error::other("the file has become shorter while it was in use")));
        }
        (&self.file).seek(SeekFrom::Start(self.read.bytes)).map_err(unusable)?;
        fold(BufReader::new(&self.file), &self.path, &mut self.read, state)?;
        if length > self.read.bytes {
            self.file.set_len(self.read.bytes).map_err(unusable)?;
        }
        Ok(())
    }

    /// Appends a line. What a failed attempt leaves is cut off by the next [`Self::catch_up`].
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), SandboxError> {
        let mut line = serde_json::to_vec(entry).expect("an entry is plain data");
        line.push(b'\n');
        self.file.write_all(&line).map_err(|cause| unusable(&self.path, cause))?;
        self.read.bytes += line.len() as u64;
        self.read.lines += 1;
        Ok(())
    }
}

/// Reads a file that someone else may be writing; a last line that is not complete does not count.
pub(super) fn read(path: &Path) -> Result<State, SandboxError> {
    let file = File::open(path).map_err(|cause| unusable(path, cause))?;
    let mut state = State::default();
    fold(BufReader::new(file), path, &mut Progress::default(), &mut state)?;
    Ok(state)
}

fn fold(
    mut reader: impl BufRead,
    path: &Path,
    read: &mut Progress,
    state: &mut State,
) -> Result<(), SandboxError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(|cause| unusable(path, cause))?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        let entry = serde_json::from_slice(&line).map_err(|cause| SandboxError::Corrupt {
            path: path.display().to_string(),
            line: read.lines + 1,
            cause,
        })?;
        state.apply(entry);
        read.bytes += line.len() as u64;
        read.lines += 1;
    }
}

fn unusable(path: &Path, cause: io::Error) -> SandboxError {
    SandboxError::File { path: path.display().to_string(), cause }
}
