//! Processors for the server and for its load, apart from each other: where both share them, more load than the
//! machine can make measures the load.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// This process's processors, shared out; all are its own again when this is dropped.
pub(super) struct Apart {
    all: CpuSet,
    load: CpuSet,
    /// How many the server has, and how many the load.
    pub(super) counts: (usize, usize),
}

impl Apart {
    /// Moves this process to the processors of the server, where it starts it; `None` where there is one alone, or
    /// the system does not let it.
    pub(super) fn for_server() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let usable: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
        let (of_load, of_server) = usable.split_at(usable.len() / 2);
        if of_load.is_empty() {
            return None;
        }
        let set = |cpus: &[usize]| {
            let mut set = CpuSet::new();
            cpus.iter().for_each(|cpu| set.set(*cpu));
            set
        };
        let apart = Self { all, load: set(of_load), counts: (of_server.len(), of_load.len()) };
        move_to(&set(of_server)).then_some(apart)
    }

    /// Moves this process to those of the load; what it has started stays where it is.
    pub(super) fn for_load(&self) {
        move_to(&self.load);
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        move_to(&self.all);
    }
}

/// Moves every thread of this process; `false` where none could be.
fn move_to(cpus: &CpuSet) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ids = tasks.filter_map(|task| Pid::from_raw(task.file_name().to_str()?.parse().ok()?));
    // One that has ended meanwhile need not be moved.
    ids.filter(|id| sched_setaffinity(Some(*id), cpus).is_ok()).count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_half_and_all_come_back() {
        let before = sched_getaffinity(None).unwrap();
        let Some(apart) = Apart::for_server() else { return };
        let server = sched_getaffinity(None).unwrap();
        apart.for_load();
        let load = sched_getaffinity(None).unwrap();
        assert!((0..CpuSet::MAX_CPU).all(|cpu| !(server.is_set(cpu) && load.is_set(cpu))));
        assert_eq!((server.count() as usize, load.count() as usize), apart.counts);
        assert_eq!(server.count() + load.count(), before.count());
        drop(apart);
        assert_eq!(sched_getaffinity(None).unwrap().count(), before.count());
    }
}
