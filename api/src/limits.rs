//! What a server lets in: connections, requests, the time they have, and how much may be under way behind them.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use promptsales_engine::runtime;
use serde::Deserialize;

/// The settings; in the file they stand under `limits`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitArgs {
    /// Connections served at a time; a few more may ask for health, metrics and supervision [default: 10000].
    #[arg(long, env = "PROMPTSALES_CONNECTIONS", value_name = "COUNT")]
    pub connections: Option<usize>,
    /// Requests worked on at a time, those for health, metrics and supervision aside [default: 8192].
    #[arg(long, env = "PROMPTSALES_REQUESTS", value_name = "COUNT")]
    pub requests: Option<usize>,
    /// How long the head of a request may take to come, and a connection may be idle [default: 60000].
    #[arg(long, env = "PROMPTSALES_HEAD_TIMEOUT_MS", value_name = "MILLISECONDS")]
    pub head_timeout_ms: Option<u32>,
    /// How long the body of a request may take to come [default: 15000].
    #[arg(long, env = "PROMPTSALES_BODY_TIMEOUT_MS", value_name = "MILLISECONDS")]
    pub body_timeout_ms: Option<u32>,
    /// How long half of the commands may wait for their answers before fewer are let in [default: 5].
    #[arg(long, env = "PROMPTSALES_QUEUE_AGE_MS", value_name = "MILLISECONDS")]
    pub queue_age_ms: Option<u32>,
    /// Commands waiting for one entity [default: 1024].
    #[arg(long, env = "PROMPTSALES_INTAKE_PER_ENTITY", value_name = "COUNT")]
    pub intake_per_entity: Option<usize>,
    /// Commands under way in one partition [default: 16384].
    #[arg(long, env = "PROMPTSALES_INTAKE_PER_PARTITION", value_name = "COUNT")]
    pub intake_per_partition: Option<usize>,
    /// The share of the commands under way that one tenant may have [default: 100].
    #[arg(long, env = "PROMPTSALES_TENANT_SHARE", value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub tenant_share: Option<u8>,
    /// Memory that the process stays below: beyond a share of it, idle entities are let go [default: the cgroup's limit].
    #[arg(long, env = "PROMPTSALES_MEMORY_LIMIT_MIB", value_name = "MIB")]
    pub memory_limit_mib: Option<u64>,
    /// State and newest events that an entity or run may have; one that has more is quarantined [default: 64].
    #[arg(long, env = "PROMPTSALES_ENTITY_LIMIT_MIB", value_name = "MIB")]
    pub entity_limit_mib: Option<u32>,
}

/// What the edge lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Connections served at a time.
    pub connections: usize,
    /// Requests worked on at a time.
    pub requests: usize,
    /// How long the head of a request may take to come, and a connection may be without one.
    pub head_timeout: Duration,
    /// How long a body may take to come.
    pub body_timeout: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            requests: 8_192,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(15),
        }
    }
}

impl LimitArgs {
    /// These settings, and for each that is not given the one of the others.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            connections: self.connections.or(other.connections),
            requests: self.requests.or(other.requests),
            head_timeout_ms: self.head_timeout_ms.or(other.head_timeout_ms),
            body_timeout_ms: self.body_timeout_ms.or(other.body_timeout_ms),
            queue_age_ms: self.queue_age_ms.or(other.queue_age_ms),
            intake_per_entity: self.intake_per_entity.or(other.intake_per_entity),
            intake_per_partition: self.intake_per_partition.or(other.intake_per_partition),
            tenant_share: self.tenant_share.or(other.tenant_share),
            memory_limit_mib: self.memory_limit_mib.or(other.memory_limit_mib),
            entity_limit_mib: self.entity_limit_mib.or(other.entity_limit_mib),
        }
    }

    /// The limits of the edge.
    pub fn edge(&self) -> EdgeLimits {
        let others = EdgeLimits::default();
        let millis = |ms: Option<u32>, other| ms.map_or(other, |ms| Duration::from_millis(ms.into()));
        EdgeLimits {
            connections: self.connections.unwrap_or(others.connections),
            requests: self.requests.unwrap_or(others.requests),
            head_timeout: millis(self.head_timeout_ms, others.head_timeout),
            body_timeout: millis(self.body_timeout_ms, others.body_timeout),
        }
    }

    /// The limits of the engine, with those of `others` that are not set here.
    pub(crate) fn engine(&self, others: runtime::Config) -> runtime::Config {
        let queue_age = self.queue_age_ms.map(|ms| Duration::from_millis(ms.into()));
        let memory = self.memory_limit_mib.map(|mib| mib.saturating_mul(1024 * 1024));
        let entity = self.entity_limit_mib.map(|mib| (mib as usize).saturating_mul(1024 * 1024));
        runtime::Config {
            queue_age: queue_age.unwrap_or(others.queue_age),
            intake_per_entity: self.intake_per_entity.unwrap_or(others.intake_per_entity),
            intake_per_partition: self.intake_per_partition.unwrap_or(others.intake_per_partition),
            tenant_share: self.tenant_share.map_or(others.tenant_share, usize::from),
            entity_bytes: entity.unwrap_or(others.entity_bytes),
            memory: memory.or_else(|| memory_of_cgroup(Path::new("/"))).or(others.memory),
            ..others
        }
    }
}

/// The least `memory.max` of the process's cgroup (v2) and those above it, in bytes; `None` where there is none.
fn memory_of_cgroup(root: &Path) -> Option<u64> {
    let own = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let top = root.join("sys/fs/cgroup");
    let all = top.join(own.trim());
    let groups = all.ancestors().take_while(|group| group.starts_with(&top));
    let limits = groups.filter_map(|group| std::fs::read_to_string(group.join("memory.max")).ok());
    limits.filter_map(|text| text.trim().parse::<u64>().ok()).min()
}

/// Lets the process have as many files and connections open as it may.
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_cgroups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(memory_of_cgroup(root.path()), None);
        write("proc/self/cgroup", "0::/a/b\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(memory_of_cgroup(root.path()), None);
        write("sys/fs/cgroup/a/memory.max", "1048576\n");
        assert_eq!(memory_of_cgroup(root.path()), Some(1_048_576));
        write("sys/fs/cgroup/a/b/memory.max", "4096\n");
        assert_eq!(memory_of_cgroup(root.path()), Some(4_096));
    }

    #[test]
    fn what_is_not_set_is_as_it_was() {
        let (none, others) = (LimitArgs::default(), runtime::Config::default());
        assert_eq!(none.edge(), EdgeLimits::default());
        assert_eq!(none.engine(others.clone()).tenant_share, others.tenant_share);
        let some = LimitArgs { tenant_share: Some(50), requests: Some(7), ..none.clone() };
        let some = none.or(some);
        assert_eq!((some.engine(others).tenant_share, some.edge().requests), (50, 7));
    }
}
