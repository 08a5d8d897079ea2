//! What this process has used: time, memory, page faults. Linux reports it in `/proc/self`.

use std::ops::AddAssign;
use std::time::Instant;

/// Unit of `/proc/self/stat`'s times in seconds. User programs see 100 ticks a second whatever the kernel uses.
const TICK: f64 = 0.01;

/// A stopwatch.
#[derive(Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that runs.
    #[must_use]
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    /// Seconds since the last lap.
    pub fn lap(&mut self) -> f64 {
        let seconds = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        seconds
    }
}

/// CPU time and page faults of all threads of this process, zeros where the system does not report them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds in user mode, in steps of 10 ms.
    pub user: f64,
    /// Seconds in the kernel, in steps of 10 ms.
    pub system: f64,
    /// Page faults that needed no reading from a disk.
    pub minor_faults: u64,
    /// Page faults that did.
    pub major_faults: u64,
}

impl Usage {
    /// What was used since the process started.
    #[must_use]
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // after the program's name, which may contain blanks; the state is field 3 of proc_pid_stat(5)
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap_or_default().split(' ').map(|f| f.parse().unwrap_or(0)).collect();
        let field = |number: usize| fields.get(number - 2).copied().unwrap_or(0);
        Usage {
            user: field(14) as f64 * TICK,
            system: field(15) as f64 * TICK,
            minor_faults: field(10),
            major_faults: field(12),
        }
    }

    /// What was used since this reading.
    #[must_use]
    pub fn spent(&self) -> Self {
        let now = Self::now();
        Usage {
            user: now.user - self.user,
            system: now.system - self.system,
            minor_faults: now.minor_faults - self.minor_faults,
            major_faults: now.major_faults - self.major_faults,
        }
    }

    /// Seconds of CPU time.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
    }
}

/// Peak resident memory of this process in MB; 0 if the system does not report it.
#[must_use]
pub fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}
