//! Backends: which code does the arithmetic.

use std::ffi::OsStr;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::{avx2, ifma};

/// A backend. All backends give the same results, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(pub(crate) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Portable,
    /// For CPUs that were found to have AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Cpu),
    /// For CPUs that were found to have AVX-512 IFMA.
    #[cfg(target_arch = "x86_64")]
    Ifma(ifma::Cpu),
}

/// Environment variable without which tests pass on CPUs that lack AVX-512 IFMA or AVX2, where they do not run the code
/// for it.
pub(crate) const REQUIRE_IFMA: &str = "TRIBUTE_REQUIRE_IFMA";

impl Backend {
    /// One element at a time, on any CPU.
    pub const PORTABLE: Backend = Backend(Kind::Portable);

    /// Environment variable for [`Self::best`]: with the value `portable`, a process computes as on a CPU without
    /// vector code; with `avx2`, as on one that has AVX2 but not AVX-512 IFMA.
    pub const VARIABLE: &'static str = "TRIBUTE_ARITHMETIC";

    /// Eight elements at a time if this CPU has AVX-512 with IFMA, otherwise four if it has AVX2, otherwise
    /// [`Self::PORTABLE`]; or what [`Self::VARIABLE`] says, which is read once per process.
    ///
    /// # Panics
    /// Where [`Self::try_best`] returns an error.
    #[must_use]
    #[inline]
    pub fn best() -> Backend {
        Self::try_best().unwrap_or_else(|message| panic!("{message}"))
    }

    /// [`Self::best`], for a process that is to say what is wrong before it computes.
    ///
    /// # Errors
    /// What is wrong, if the variable has another value, or asks for what the CPU does not have.
    #[inline]
    pub fn try_best() -> Result<Backend, &'static str> {
        static BEST: OnceLock<Result<Backend, String>> = OnceLock::new();
        let best = BEST.get_or_init(|| Self::chosen(std::env::var_os(Self::VARIABLE).as_deref(), Self::avx2()));
        best.as_ref().copied().map_err(String::as_str)
    }

    /// The backend for a value of [`Self::VARIABLE`], on a CPU for which `avx2` is the backend of that name.
    fn chosen(value: Option<&OsStr>, avx2: Option<Backend>) -> Result<Backend, String> {
        match value {
            None => Ok(Self::ifma().or(avx2).unwrap_or(Self::PORTABLE)),
            Some(value) if value == "portable" => Ok(Self::PORTABLE),
            Some(value) if value == "avx2" => {
                avx2.ok_or_else(|| format!("{} is \"avx2\", which this CPU does not have", Self::VARIABLE))
            }
            Some(other) => Err(format!("{} is {other:?}: only \"portable\" and \"avx2\" are known", Self::VARIABLE)),
        }
    }

    /// Number of elements that are computed side by side: 1, 4 or 8.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self.0 {
            Kind::Portable => 1,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(_) => ifma::LANES,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn avx2() -> Option<Backend> {
        avx2::Cpu::detect().map(|cpu| Backend(Kind::Avx2(cpu)))
    }

    #[cfg(target_arch = "x86_64")]
    fn ifma() -> Option<Backend> {
        ifma::Cpu::detect().map(|cpu| Backend(Kind::Ifma(cpu)))
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn avx2() -> Option<Backend> {
        None
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn ifma() -> Option<Backend> {
        None
    }

    /// All backends that this CPU can run, the fastest one last; tests compare them.
    ///
    /// # Panics
    /// If the CPU lacks AVX-512 IFMA or AVX2 although the environment variable TRIBUTE_REQUIRE_IFMA is set.
    #[must_use]
    pub fn all() -> Vec<Backend> {
        let (avx2, ifma) = (Self::avx2(), Self::ifma());
        for (backend, name) in [(avx2, "AVX2"), (ifma, "AVX-512 IFMA")] {
            assert!(
                backend.is_some() || std::env::var_os(REQUIRE_IFMA).is_none(),
                "{REQUIRE_IFMA} is set, but this CPU has no {name}"
            );
        }
        [Some(Self::PORTABLE), avx2, ifma].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn refusal(value: &str, avx2: Option<Backend>) -> String {
        Backend::chosen(Some(OsStr::new(value)), avx2).unwrap_err()
    }

    #[test]
    fn a_variable_selects_the_code() {
        let (all, avx2) = (Backend::all(), Backend::avx2());
        let best = all[all.len() - 1];
        assert_eq!(Backend::chosen(None, avx2), Ok(best));
        assert_eq!(Backend::chosen(Some(OsStr::new("portable")), avx2), Ok(Backend::PORTABLE));
        // any backend serves as that of a CPU with AVX2
        assert_eq!(Backend::chosen(Some(OsStr::new("avx2")), Some(best)), Ok(best));
        assert_eq!(refusal("avx2", None), "TRIBUTE_ARITHMETIC is \"avx2\", which this CPU does not have");
        for other in ["", "Portable", "AVX2", "ifma"] {
            let expected = format!("TRIBUTE_ARITHMETIC is {other:?}: only \"portable\" and \"avx2\" are known");
            assert_eq!(refusal(other, avx2), expected);
        }
    }

    #[test]
    fn nothing_is_computed_after_a_refusal() {
        // a process reads the variable once, so another one has the wrong value
        if std::env::var(Backend::VARIABLE).is_ok_and(|value| value == "AVX2") {
            assert_eq!(Backend::try_best().unwrap_err(), refusal("AVX2", None));
            let _ = Backend::best();
            return;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backend::tests::nothing_is_computed_after_a_refusal", "--nocapture"])
            .env(Backend::VARIABLE, "AVX2")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(&format!(":\n{}\n", refusal("AVX2", None))), "{said}");
    }

    #[test]
    fn backends_are_in_order_of_their_lanes() {
        let lanes: Vec<usize> = Backend::all().into_iter().map(Backend::lanes).collect();
        assert!(lanes.is_sorted() && lanes.iter().all(|n| [1, 4, 8].contains(n)), "{lanes:?}");
    }
}
