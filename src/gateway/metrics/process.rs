//! The process, by the names that Prometheus's own libraries have for it.

use std::fmt;
use std::fs;
use std::time::Duration;

use super::sheet::Sheet;
use super::state::moment;
use super::traffic::number;
use crate::clock::Timestamp;

/// What cannot be read is left out.
pub(super) fn write(sheet: &mut Sheet<'_>, started: Timestamp) -> fmt::Result {
    let started = moment(started);
    sheet.gauge(
        "process_start_time_seconds",
        "When the gateway was made, since 1970",
        [([], started)],
    )?;
    if let Some(used) = processor_time() {
        sheet.counter(
            "process_cpu_seconds",
            "Processor time of user and system",
            [([], used.as_secs_f64())],
        )?;
    }
    if let Some(bytes) = resident() {
        sheet.gauge("process_resident_memory_bytes", "Memory in use", [([], bytes)])?;
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = number(open.count());
        sheet.gauge("process_open_fds", "Open file descriptors", [([], open)])?;
    }
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most =
        most.map_or(f64::INFINITY, |most| number(usize::try_from(most).unwrap_or(usize::MAX)));
    sheet.gauge("process_max_fds", "Most open file descriptors", [([], most)])
}

fn processor_time() -> Option<Duration> {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(clock.tv_sec).ok()?, u32::try_from(clock.tv_nsec).ok()?);
    Some(Duration::new(seconds, nanos))
}

fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u32 = line.trim().split(' ').next()?.parse().ok()?;
    Some(f64::from(kilobytes) * 1024.0)
}
