//! Mutation fuzzing on stable Rust: valid inputs, altered by a seeded generator, are given to code that reads untrusted
//! input.
//!
//! A case is a number. It determines the valid input and its alterations, so a failure is reproducible. By default the
//! run is short enough for CI; `TRIBUTE_FUZZ_TIMES=100` makes it a hundred times as long, with new cases. The targets
//! are in `tests/targets`.

pub mod mutate;

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

/// Time limit for one case, generous for a busy machine: anything slower counts as a hang.
const LONGEST: Duration = Duration::from_secs(120);
/// Limit on the process's peak virtual memory in kB: nothing read here needs a tenth of it.
const MOST_MEMORY_KB: u64 = 16 << 20;

/// Gives `cases` mutations of `seeds` to `check`, which must panic on a failure.
///
/// # Panics
/// If a case panics or takes too long. Its input is first written to `scratch`, and the message names the file.
pub fn fuzz(target: &str, scratch: &Path, seeds: &[Vec<u8>], cases: u64, check: impl Fn(&[u8])) {
    let times = std::env::var("TRIBUTE_FUZZ_TIMES").map_or(1, |t| t.parse().expect("TRIBUTE_FUZZ_TIMES is a number"));
    for case in 0..cases * times {
        let input = mutate::mutated(seeds, case);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
        let took = start.elapsed();
        if outcome.is_ok() && took <= LONGEST {
            continue;
        }
        let file = scratch.join(format!("{target}-{case}"));
        std::fs::write(&file, &input).expect("the input can be written");
        eprintln!("fuzz: {target}, case {case}, {took:?}: {}", file.display());
        match outcome {
            Err(panic) => resume_unwind(panic),
            Ok(()) => panic!("{target}, case {case}: took {took:?}"),
        }
    }
    if let Some(peak) = peak_memory_kb() {
        assert!(peak <= MOST_MEMORY_KB, "{target}: the process asked for {peak} kB");
    }
}

/// Peak virtual memory of this process in kB, if the system reports it.
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> std::path::PathBuf {
        std::env::temp_dir()
    }

    #[test]
    fn a_check_that_holds_passes() {
        fuzz("holds", &scratch(), &[b"{\"a\": 12}".to_vec()], 200, |_| {});
    }

    #[test]
    fn a_panic_is_reported_with_its_input() {
        let seeds = [b"0123456789".to_vec()];
        let panic = catch_unwind(|| fuzz("panics", &scratch(), &seeds, 200, |input| assert!(input.len() >= 10)));
        assert!(panic.is_err());
        let case = (0..200).find(|case| mutate::mutated(&seeds, *case).len() < 10).unwrap();
        let file = scratch().join(format!("panics-{case}"));
        assert_eq!(std::fs::read(&file).unwrap(), mutate::mutated(&seeds, case));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn memory_is_told_on_linux() {
        assert!(cfg!(not(target_os = "linux")) || peak_memory_kb().unwrap() > 0);
    }
}
