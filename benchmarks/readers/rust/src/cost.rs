//! What a reception took.

use std::time::Instant;

use serde_json::{json, Value};

pub struct Stopwatch {
    started: Instant,
    processor: f64,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch {
            processor: processor_seconds(),
            started: Instant::now(),
        }
    }

    /// With what was `found`, an object.
    pub fn stop(self, mut found: Value) -> Value {
        found["seconds"] = json!(self.started.elapsed().as_secs_f64());
        found["cpu"] = json!(processor_seconds() - self.processor);
        found["peak_rss"] = json!(peak_rss());
        found
    }
}

/// Of all threads of this process.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Safe: the pointer is to a timespec of our own, and the clock exists wherever POSIX does.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// In bytes; None where there is no /proc.
fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}
