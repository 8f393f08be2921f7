//! Limits of the machine around the real binary: a small file system, few descriptors, little memory.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::shim::Disk;

/// A small file system of its own (tmpfs), which a test can fill; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mount: TempDir,
    folder: Option<Arc<TempDir>>,
}

impl SmallDisk {
    /// Mounts one of so many mebibytes; says so and gives none where mounting is not permitted.
    ///
    /// # Panics
    ///
    /// When no folder can be made.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let mount = tempfile::tempdir().expect("a folder can be made");
        let size = format!("size={mebibytes}m");
        let mut command = Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", &size, "small"]).arg(mount.path()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("a file system cannot be mounted here: the shim of tests/chaos takes its place");
            return None;
        }
        let folder = tempfile::tempdir_in(mount.path()).expect("a folder can be made");
        Some(Self { mount, folder: Some(Arc::new(folder)) })
    }

    /// The folder on it.
    ///
    /// # Panics
    ///
    /// Never: it has one for as long as it is there.
    pub fn folder(&self) -> Arc<TempDir> {
        self.folder.clone().expect("it is mounted")
    }

    /// Takes all the room that is left.
    ///
    /// # Panics
    ///
    /// When it is full before, or cannot be written.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file can be made");
        for size in [1 << 20, 4_096, 1] {
            let bytes = vec![1; size];
            while ballast.write_all(&bytes).is_ok() {}
        }
    }

    /// Gives the room back.
    ///
    /// # Panics
    ///
    /// When it had not been taken.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("the disk was full");
    }

    fn ballast(&self) -> PathBuf {
        self.mount.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.folder = None;
        // A server that still ends holds it for a moment: then it is let go lazily.
        let _ = Command::new("umount").arg("-l").arg(self.mount.path()).status();
    }
}

/// The room for a server's folder: a small file system, or where none can be mounted, a shim that refuses to grow.
#[derive(Debug)]
pub enum Room {
    /// A file system of its own.
    Small(SmallDisk),
    /// The shim.
    Shim(Disk),
}

impl Room {
    /// Room of so many mebibytes.
    pub fn of(mebibytes: u32) -> Self {
        SmallDisk::mount(mebibytes).map_or_else(|| Self::Shim(Disk::new()), Self::Small)
    }

    /// The folder in it.
    pub fn folder(&self) -> Arc<TempDir> {
        match self {
            Self::Small(disk) => disk.folder(),
            Self::Shim(disk) => disk.folder(),
        }
    }

    /// The environment of a server in it.
    pub fn env(&self) -> Vec<(String, String)> {
        match self {
            Self::Small(_) => Vec::new(),
            Self::Shim(disk) => disk.env(),
        }
    }

    /// Takes all that is left.
    pub fn fill(&self) {
        match self {
            Self::Small(disk) => disk.fill(),
            Self::Shim(disk) => disk.fill(),
        }
    }

    /// Gives it back.
    pub fn make_room(&self) {
        match self {
            Self::Small(disk) => disk.make_room(),
            Self::Shim(disk) => disk.make_room(),
        }
    }
}

/// Connections that take the descriptors of a server away; they are given back when dropped.
#[derive(Debug)]
pub struct FewDescriptors {
    pid: u32,
    _held: Vec<TcpStream>,
    before: u64,
}

impl FewDescriptors {
    /// Leaves a server so many descriptors beside those that it has open, and takes these by connections.
    ///
    /// # Panics
    ///
    /// When the limit cannot be set, or the server not be reached.
    pub fn of(pid: u32, url: &str, spare: usize) -> Self {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("the server runs");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("it has a limit");
        let before = line.split_whitespace().nth(3).and_then(|word| word.parse().ok()).expect("a number");
        let open = open_descriptors(pid);
        set_descriptors(pid, (open + spare) as u64);
        let address = url.trim_start_matches("http://");
        let connect = |_| TcpStream::connect(address).expect("the server listens");
        Self { pid, _held: (0..spare + 8).map(connect).collect(), before }
    }
}

impl Drop for FewDescriptors {
    fn drop(&mut self) {
        // A server that has been killed in between needs none.
        if Path::new(&format!("/proc/{}", self.pid)).exists() {
            set_descriptors(self.pid, self.before);
        }
    }
}

/// How many descriptors a process has open.
///
/// # Panics
///
/// When it does not run.
pub fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the server runs").count()
}

fn set_descriptors(pid: u32, soft: u64) {
    let set =
        Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--nofile={soft}:")]).status();
    assert!(set.is_ok_and(|status| status.success()), "the limit of descriptors can be set");
}

/// A cap on the memory of a server: a control group of either version, or its address space where none can be made.
#[derive(Debug)]
pub struct MemoryCap {
    bytes: u64,
    group: Option<PathBuf>,
}

impl MemoryCap {
    /// A cap of so many bytes; says by what.
    pub fn of(bytes: u64) -> Self {
        let name = format!("promptsales-test-{}", std::process::id());
        let second = ("/sys/fs/cgroup", "memory.max");
        let first = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");
        for (root, limit) in [second, first] {
            let group = Path::new(root).join(&name);
            if fs::create_dir(&group).is_ok() {
                let has_limit = fs::write(group.join(limit), bytes.to_string()).is_ok();
                if has_limit && group.join("cgroup.procs").exists() {
                    println!("the memory is capped by {limit} of a control group");
                    return Self { bytes, group: Some(group) };
                }
                // A folder that is no group of memory is of no use.
                let _ = fs::remove_dir(&group);
            }
        }
        println!("no control group can be made here: the address space is capped instead");
        Self { bytes, group: None }
    }

    /// The words before a server's program that put it under the cap.
    pub fn within(&self) -> Vec<String> {
        match &self.group {
            Some(group) => {
                let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.display());
                ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
            }
            // Threads and mapped files take address space that is no memory.
            None => vec!["prlimit".to_owned(), format!("--as={}", self.bytes + (1 << 30))],
        }
    }
}

impl Drop for MemoryCap {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // It stays where a process of it still ends; an empty group costs nothing.
            let _ = fs::remove_dir(group);
        }
    }
}

/// The bytes of memory that a process holds at most until now, or now, by the name in its status.
///
/// # Panics
///
/// When it does not run, or its status does not say.
pub fn memory_of(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("its status says");
    let kibibytes: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kibibytes * 1_024
}
