//! How much memory there may be, and how much is in use: of this process, or of the control group
//! that it runs in, whose limit the kernel enforces by killing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::server::MemoryLimit;

/// Memory that has a limit.
#[derive(Debug)]
pub(super) struct Memory {
    limit: u64,
    of: Of,
}

/// Whose memory it is.
#[derive(Debug)]
enum Of {
    /// What this process has allocated.
    Process,
    /// What the group has in all, with the buffers of its sockets, but without copies of files,
    /// which the kernel gives up before it kills.
    Group(Group),
}

/// A control group that limits memory.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Group {
    folder: PathBuf,
    names: &'static Names,
}

/// How a version of control groups calls its files.
#[derive(Debug, Eq, PartialEq)]
struct Names {
    most: &'static str,
    used: &'static str,
    /// Fields of `memory.stat` that count copies of files, and what else the kernel gives up.
    files: &'static [&'static str],
}

const V2: Names = Names {
    most: "memory.max",
    used: "memory.current",
    files: &["active_file", "inactive_file", "slab_reclaimable"],
};
const V1: Names = Names {
    most: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    files: &["total_active_file", "total_inactive_file"],
};

/// A limit at or above this is none: version 1 has no other way to say so.
const NONE: u64 = 1 << 60;

impl Memory {
    /// As the operator says; `None` where nothing limits it.
    pub(super) fn of_this_process(limit: MemoryLimit) -> Option<Self> {
        match limit {
            MemoryLimit::Off => None,
            MemoryLimit::Bytes(limit) => Some(Self { limit, of: Of::Process }),
            MemoryLimit::Group => {
                let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
                let (limit, group) = tightest(Path::new("/sys/fs/cgroup"), &groups)?;
                Some(Self { limit, of: Of::Group(group) })
            }
        }
    }

    /// Most bytes.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> io::Result<u64> {
        match &self.of {
            Of::Process => allocated(),
            Of::Group(group) => group.used(),
        }
    }
}

/// `proc_pid_statm(5)`: pages in memory, less those that are of files or shared.
fn allocated() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let mut numbers = text.split_whitespace().skip(1).map(str::parse::<u64>);
    let (Some(Ok(resident)), Some(Ok(shared))) = (numbers.next(), numbers.next()) else {
        return Err(unreadable("/proc/self/statm"));
    };
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    Ok(resident.saturating_sub(shared) * page)
}

fn unreadable(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} says no number"))
}

impl Group {
    fn most(&self) -> Option<u64> {
        // "max" is no number.
        let most: u64 =
            fs::read_to_string(self.folder.join(self.names.most)).ok()?.trim().parse().ok()?;
        (most < NONE).then_some(most)
    }

    fn used(&self) -> io::Result<u64> {
        let used = fs::read_to_string(self.folder.join(self.names.used))?;
        let used: u64 = used.trim().parse().map_err(|_| unreadable(self.names.used))?;
        let stat = fs::read_to_string(self.folder.join("memory.stat"))?;
        let field = |name: &str| {
            let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.parse::<u64>().ok()).unwrap_or_default()
        };
        Ok(used.saturating_sub(self.names.files.iter().map(|name| field(name)).sum()))
    }
}

/// The group with the lowest limit among ours and those around it. `groups` is what
/// cgroups(7) has in `/proc/self/cgroup`.
fn tightest(root: &Path, groups: &str) -> Option<(u64, Group)> {
    let ours = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, names) = match controllers {
            "" => (root.to_owned(), &V2),
            _ if controllers.split(',').any(|name| name == "memory") => (root.join("memory"), &V1),
            _ => return None,
        };
        Some((root, path.trim_start_matches('/').to_owned(), names))
    });
    let around = ours.flat_map(|(root, path, names)| {
        // A container has its own group at the root, whose path then leads out of it.
        let path = if path.split('/').any(|name| name == "..") { "" } else { &path };
        let inside: Vec<_> = Path::new(path).ancestors().map(|path| root.join(path)).collect();
        inside.into_iter().map(move |folder| Group { folder, names })
    });
    around.filter_map(|group| Some((group.most()?, group))).min_by_key(|(most, _)| *most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn what_a_process_has_grows_with_what_it_allocates() {
        let before = allocated().unwrap();
        let much = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = allocated().unwrap();
        assert!(after >= before + (48 << 20), "{before} {after}");
        drop(much);
    }

    #[test]
    fn the_tightest_group_around_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (outer, inner) = (root.join("system"), root.join("system/gate"));
        write(&outer, &[("memory.max", "1000\n")]);
        write(&inner, &[("memory.max", "max\n")]);
        let (limit, group) = tightest(root, "0::/system/gate\n").unwrap();
        assert_eq!((limit, &group.folder), (1000, &outer));
        write(&inner, &[("memory.max", "700\n"), ("memory.current", "600\n")]);
        let (limit, group) = tightest(root, "0::/system/gate\n").unwrap();
        assert_eq!((limit, &group.folder), (700, &inner));
        write(&inner, &[("memory.stat", "anon 300\nactive_file 50\ninactive_file 40\nfile 90\n")]);
        assert_eq!(group.used().unwrap(), 510);
    }

    #[test]
    fn a_container_has_its_group_at_the_root() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("memory.max", "500\n")]);
        let (limit, group) = tightest(root.path(), "0::/../../kubepods/x\n").unwrap();
        assert_eq!((limit, group.folder.join("")), (500, root.path().join("")));
    }

    #[test]
    fn the_first_version_of_groups_is_read_too() {
        let root = tempfile::tempdir().unwrap();
        let memory = root.path().join("memory");
        let groups = "5:cpu,cpuacct:/\n4:memory:/docker/x\n0::/\n";
        write(&memory, &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        assert_eq!(tightest(root.path(), groups), None);
        let ours = memory.join("docker/x");
        write(&ours, &[("memory.limit_in_bytes", "4096\n"), ("memory.usage_in_bytes", "900\n")]);
        write(&ours, &[("memory.stat", "cache 5\ntotal_active_file 100\ntotal_inactive_file 1\n")]);
        let (limit, group) = tightest(root.path(), groups).unwrap();
        assert_eq!((limit, group.used().unwrap()), (4096, 799));
    }
}
