//! Backends: which code does the arithmetic.

use std::ffi::OsStr;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::ifma;

/// A backend. All backends give the same results, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(pub(crate) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Portable,
    /// For CPUs that were found to have the required features.
    #[cfg(target_arch = "x86_64")]
    Ifma(ifma::Cpu),
}

/// Environment variable without which tests of CPUs with AVX-512 IFMA pass on others, where they compare nothing.
pub(crate) const REQUIRE_IFMA: &str = "TRIBUTE_REQUIRE_IFMA";

impl Backend {
    /// One element at a time, on any CPU.
    pub const PORTABLE: Backend = Backend(Kind::Portable);

    /// Environment variable for [`Self::best`]: with the value `portable`, a process computes as on a CPU without
    /// AVX-512 IFMA.
    pub const VARIABLE: &'static str = "TRIBUTE_ARITHMETIC";

    /// Eight elements at a time if this CPU has AVX-512 with IFMA, otherwise [`Self::PORTABLE`]; the latter, too, if
    /// [`Self::VARIABLE`] says so, which is read once per process.
    ///
    /// # Panics
    /// If the variable has another value.
    #[must_use]
    #[inline]
    pub fn best() -> Backend {
        static BEST: OnceLock<Backend> = OnceLock::new();
        *BEST.get_or_init(|| Self::chosen(std::env::var_os(Self::VARIABLE).as_deref()))
    }

    /// The backend for a value of [`Self::VARIABLE`].
    fn chosen(value: Option<&OsStr>) -> Backend {
        match value {
            None => Self::fastest(),
            Some(value) if value == "portable" => Self::PORTABLE,
            Some(other) => panic!("{} is {other:?}: only \"portable\" is known", Self::VARIABLE),
        }
    }

    fn fastest() -> Backend {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = ifma::Cpu::detect() {
            return Backend(Kind::Ifma(cpu));
        }
        Self::PORTABLE
    }

    /// All backends that this CPU can run, the fastest one last; tests compare them.
    ///
    /// # Panics
    /// If there is only one although the environment variable TRIBUTE_REQUIRE_IFMA is set.
    #[must_use]
    pub fn all() -> Vec<Backend> {
        let mut all = vec![Self::PORTABLE, Self::fastest()];
        all.dedup();
        assert!(
            all.len() > 1 || std::env::var_os(REQUIRE_IFMA).is_none(),
            "{REQUIRE_IFMA} is set, but this CPU has no AVX-512 IFMA"
        );
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_selects_the_portable_code() {
        assert_eq!(Backend::chosen(None), Backend::all()[Backend::all().len() - 1]);
        assert_eq!(Backend::chosen(Some(OsStr::new("portable"))), Backend::PORTABLE);
        for other in ["", "Portable", "ifma"] {
            let panic = std::panic::catch_unwind(|| Backend::chosen(Some(OsStr::new(other)))).unwrap_err();
            let expected = format!("TRIBUTE_ARITHMETIC is {other:?}: only \"portable\" is known");
            assert_eq!(panic.downcast_ref::<String>(), Some(&expected));
        }
    }
}
