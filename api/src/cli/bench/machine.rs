//! What the figures were measured on.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The machine, as far as Linux tells.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    /// Of the directory that holds the store.
    pub(super) filesystem: String,
}

impl Machine {
    /// Reads `/proc`; what cannot be found is "unknown" or 0.
    pub(super) fn describe(dir: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let memory_kib =
            field(&memory, "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Self {
            cpu: field(&cpu, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_kib.unwrap_or(0) / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            filesystem: filesystem(&read("/proc/mounts"), &dir).unwrap_or("unknown").to_owned(),
        }
    }

    /// All of it in a line.
    pub(super) fn text(&self) -> String {
        let Self { cpu, cores, memory_mib, kernel, filesystem } = self;
        format!("{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, {filesystem}")
    }
}

/// What a process holds in memory, in KiB.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    /// Resident in all.
    pub(super) rss_kib: u64,
    /// Of that what is no file's.
    pub(super) anonymous_kib: u64,
    /// The most that was resident so far.
    pub(super) peak_kib: u64,
}

impl Memory {
    /// Reads what Linux tells of the process `id`.
    pub(super) fn of(id: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{id}/status");
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
        Self::parse(&text).with_context(|| format!("{path} does not tell of memory"))
    }

    fn parse(text: &str) -> Option<Self> {
        let kib = |name| field(text, name)?.trim_end_matches(" kB").parse().ok();
        Some(Self { rss_kib: kib("VmRSS")?, anonymous_kib: kib("RssAnon")?, peak_kib: kib("VmHWM")? })
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// The type of the innermost mount that holds `dir`; of two on one point, the later one hides the other.
fn filesystem<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(point, _)| dir.starts_with(point));
    holding.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

/// Bytes of all files under `dir`.
pub(super) fn size(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { size(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_process_holds() {
        let text = "Name:\tx\nVmHWM:\t  30 kB\nVmRSS:\t  20 kB\nRssAnon:\t  10 kB\n";
        let Memory { rss_kib, anonymous_kib, peak_kib } = Memory::parse(text).unwrap();
        assert_eq!((rss_kib, anonymous_kib, peak_kib), (20, 10, 30));
        assert!(Memory::of(std::process::id()).unwrap().rss_kib > 0);
    }

    #[test]
    fn finds_the_innermost_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmpx xfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/tmp/x")), Some("tmpfs"));
        assert_eq!(filesystem(mounts, Path::new("/var")), Some("ext4"));
    }
}
