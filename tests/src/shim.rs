//! Faults of the machine below the real binary: a disk that loses power, fills up, is slow or fails to sync; a clock that jumps.
//!
//! The libraries are C, compiled at test time and loaded into the server before libc; see `tests/chaos/`.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

/// The bytes of a record of the undo log before its name; see `tests/chaos/power_loss.c`.
const HEADER: usize = 34;

/// What a power loss takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// What was not synced of the journal; of the index everything is kept.
    Journal,
    /// What was not synced of journal and index.
    Everything,
    /// As [`Loss::Everything`], but the first so many unsynced changes had come to the disk by themselves.
    AllBut(u64),
}

/// What a power loss took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lost {
    /// Changes of the files that were recorded.
    pub writes: u64,
    /// Syncs of the files that were recorded.
    pub syncs: u64,
    /// Changes that were undone.
    pub undone: u64,
    /// Bytes of the journal that were taken back.
    pub bytes: u64,
}

impl Lost {
    /// Adds what another power loss took.
    pub fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.syncs += other.syncs;
        self.undone += other.undone;
        self.bytes += other.bytes;
    }
}

/// A disk under a server's folder, whose faults are at the test's command.
#[derive(Debug)]
pub struct Disk {
    folder: Arc<TempDir>,
    beside: TempDir,
}

impl Disk {
    /// A disk with an empty folder.
    ///
    /// # Panics
    ///
    /// When no folder can be made.
    #[expect(clippy::new_without_default, reason = "it makes folders")]
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder can be made"));
        let beside = tempfile::tempdir().expect("a folder can be made");
        std::fs::create_dir(beside.path().join("kept")).expect("a folder can be made");
        compile("power_loss", beside.path());
        Self { folder, beside }
    }

    /// The folder on it.
    pub fn folder(&self) -> Arc<TempDir> {
        self.folder.clone()
    }

    /// The environment of a server on it.
    pub fn env(&self) -> Vec<(String, String)> {
        let dir = self.folder.path().canonicalize().expect("the folder is there");
        let beside = |name: &str| text(&self.beside.path().join(name));
        [
            ("LD_PRELOAD", beside("power_loss.so")),
            ("PL_DIR", text(&dir)),
            ("PL_LOG", beside("log")),
            ("PL_KEPT", beside("kept")),
            ("PL_SYNC_MS", "10".to_owned()),
            ("PL_NO_ROOM", beside("no-room")),
            ("PL_SYNC_FAILS", beside("sync-fails")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The environment of a server on it whose syncs do nothing, though they say that they do.
    pub fn lying_env(&self) -> Vec<(String, String)> {
        let mut env = self.env();
        env.push(("PL_IGNORE_SYNC".to_owned(), "1".to_owned()));
        env
    }

    /// Takes away all free room.
    ///
    /// # Panics
    ///
    /// When the control file cannot be made.
    pub fn fill(&self) {
        File::create(self.beside.path().join("no-room")).expect("a file can be made");
    }

    /// Gives room back.
    ///
    /// # Panics
    ///
    /// When it had not been taken away.
    pub fn make_room(&self) {
        std::fs::remove_file(self.beside.path().join("no-room")).expect("the disk was full");
    }

    /// Lets the next sync of the write-ahead log fail.
    ///
    /// # Panics
    ///
    /// When the control file cannot be made.
    pub fn fail_next_sync(&self) {
        File::create(self.beside.path().join("sync-fails")).expect("a file can be made");
    }

    /// True once the sync that was to fail has failed.
    pub fn has_failed(&self) -> bool {
        !self.beside.path().join("sync-fails").exists()
    }

    /// Cuts the power: takes from the files of a server that is dead what no sync had made stable.
    ///
    /// # Panics
    ///
    /// When the undo log cannot be understood.
    pub fn lose_power(&self, loss: Loss) -> Lost {
        let path = self.beside.path().join("log");
        let log = std::fs::read(&path).expect("the shim has written its log");
        let records = read_log(&log);
        let mut lost = Lost::default();
        let (mut stable, mut names_stable) = (HashMap::new(), 0);
        for record in &records {
            match record.kind {
                b'S' if record.name.is_empty() => names_stable = names_stable.max(record.offset),
                b'S' => {
                    let upto = stable.entry(record.inode).or_insert(0);
                    *upto = record.offset.max(*upto);
                    lost.syncs += 1;
                }
                b'X' => panic!("{} of a database cannot be undone: teach the shim", record.name),
                _ => lost.writes += 1,
            }
        }
        let is_unsynced = |record: &&Record<'_>| match record.kind {
            b'W' => record.at >= stable.get(&record.inode).copied().unwrap_or(0),
            b'C' | b'U' => record.at >= names_stable,
            _ => false,
        };
        let is_taken = |record: &&Record<'_>| loss != Loss::Journal || record.name.starts_with("journal.db");
        let kept = match loss {
            Loss::AllBut(kept) => usize::try_from(kept).expect("a count fits"),
            Loss::Journal | Loss::Everything => 0,
        };
        let taken: Vec<_> = records.iter().filter(is_unsynced).filter(is_taken).skip(kept).collect();
        for record in taken.into_iter().rev() {
            lost.undone += 1;
            lost.bytes += self.undo(record);
        }
        for name in ["journal.db-shm", "index.db-shm"] {
            // Shared memory is gone with the power; whether there was any does not matter.
            let _ = std::fs::remove_file(self.folder.path().join(name));
        }
        std::fs::remove_file(path).expect("the log can be removed");
        lost
    }

    /// Undoes a change; gives the bytes of the journal that were taken back.
    fn undo(&self, record: &Record<'_>) -> u64 {
        let path = self.folder.path().join(record.name);
        let kept = self.beside.path().join("kept").join(record.inode.to_string());
        match record.kind {
            b'C' => std::fs::remove_file(&path).expect("a file that was made is there"),
            b'U' => {
                // A file made under the same name later has been taken back before.
                std::fs::hard_link(&kept, &path).expect("an unlinked file was kept");
            }
            _ => return undo_write(record, &path, &kept),
        }
        0
    }
}

fn undo_write(record: &Record<'_>, path: &Path, kept: &Path) -> u64 {
    let is_it = |path: &&Path| path.metadata().is_ok_and(|found| found.ino() == record.inode);
    let Some(path) = [path, kept].into_iter().find(is_it) else {
        panic!("{} with the inode {} is nowhere", record.name, record.inode)
    };
    let file = OpenOptions::new().write(true).open(path).expect("a file can be opened");
    let length = file.metadata().expect("a file has a length").len();
    file.write_all_at(record.old, record.offset).expect("old bytes can be restored");
    file.set_len(record.old_size).expect("an old length can be restored");
    match record.name.starts_with("journal.db") {
        true => length.saturating_sub(record.old_size) + record.old.len() as u64,
        false => 0,
    }
}

/// A change, or a sync.
#[derive(Debug)]
struct Record<'a> {
    /// Where it stands in the log.
    at: u64,
    kind: u8,
    inode: u64,
    offset: u64,
    old_size: u64,
    name: &'a str,
    old: &'a [u8],
}

/// Reads the undo log. A last record that is not complete belongs to a change that was not made.
fn read_log(log: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(header) = log.get(at..at + HEADER) {
        let number = |from: usize| {
            u64::from_ne_bytes(header[from..from + 8].try_into().expect("a number has eight bytes"))
        };
        let name_end = at + HEADER + usize::from(header[1]);
        let end = name_end + usize::try_from(number(26)).expect("a length fits");
        let Some(body) = log.get(at + HEADER..end) else { break };
        let (name, old) = body.split_at(usize::from(header[1]));
        let name = std::str::from_utf8(name).expect("names are text");
        let (inode, offset, old_size) = (number(2), number(10), number(18));
        records.push(Record { at: at as u64, kind: header[0], inode, offset, old_size, name, old });
        at = end;
    }
    records
}

/// A wall clock of a server, which jumps at the test's command.
#[derive(Debug)]
pub struct WallClock {
    folder: TempDir,
}

impl WallClock {
    /// A clock that is right.
    ///
    /// # Panics
    ///
    /// When its file cannot be made.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("offset"), 0_i64.to_ne_bytes()).expect("a file can be written");
        compile("clock", folder.path());
        Self { folder }
    }

    /// The environment of a server that goes by it.
    pub fn env(&self) -> Vec<(String, String)> {
        let offset = text(&self.folder.path().join("offset"));
        vec![
            ("LD_PRELOAD".to_owned(), text(&self.folder.path().join("clock.so"))),
            ("PL_CLOCK".to_owned(), offset),
        ]
    }

    /// Sets it so many seconds off the right time.
    ///
    /// # Panics
    ///
    /// When its file cannot be written.
    pub fn set_off_by(&self, seconds: i64) {
        let file = OpenOptions::new().write(true).open(self.folder.path().join("offset"));
        let file = file.expect("the file is there");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("the file can be written");
    }
}

/// A disk of a server that becomes slow at the test's command.
#[derive(Debug)]
pub struct SlowDisk {
    folder: TempDir,
}

impl SlowDisk {
    /// A disk that is as fast as it is.
    ///
    /// # Panics
    ///
    /// When its file cannot be made.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("slow"), 0_i64.to_ne_bytes()).expect("a file can be written");
        compile("slow", folder.path());
        Self { folder }
    }

    /// The environment of a server on it.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![
            ("LD_PRELOAD".to_owned(), text(&self.folder.path().join("slow.so"))),
            ("PL_SLOW".to_owned(), text(&self.folder.path().join("slow"))),
        ]
    }

    /// Lets every sync take so many milliseconds longer.
    ///
    /// # Panics
    ///
    /// When its file cannot be written.
    pub fn slow_by(&self, ms: i64) {
        let file = OpenOptions::new().write(true).open(self.folder.path().join("slow"));
        file.expect("the file is there").write_all_at(&ms.to_ne_bytes(), 0).expect("it can be written");
    }
}

/// The environments of several shims as one: all of their libraries are loaded.
pub fn preload(shims: &[Vec<(String, String)>]) -> Vec<(String, String)> {
    let is_library = |(name, _): &&(String, String)| name == "LD_PRELOAD";
    let libraries: Vec<_> =
        shims.iter().flatten().filter(is_library).map(|(_, path)| path.as_str()).collect();
    let mut env: Vec<_> = shims.iter().flatten().filter(|pair| !is_library(pair)).cloned().collect();
    env.push(("LD_PRELOAD".to_owned(), libraries.join(":")));
    env
}

/// Compiles a library of `tests/chaos/`.
fn compile(name: &str, into: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("chaos").join(format!("{name}.c"));
    let library = into.join(format!("{name}.so"));
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    let done = cc.arg("-ldl").status().expect("a C compiler is there");
    assert!(done.success(), "{name}.c can be compiled");
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths are UTF-8").to_owned()
}
