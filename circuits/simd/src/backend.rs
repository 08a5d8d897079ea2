//! Backends: which code does the arithmetic.

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

impl Backend {
    /// One element at a time, on any CPU.
    pub const PORTABLE: Backend = Backend(Kind::Portable);

    /// Eight elements at a time if this CPU has AVX-512 with IFMA, otherwise [`Self::PORTABLE`].
    #[must_use]
    #[inline]
    pub fn best() -> Backend {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = ifma::Cpu::detect() {
            return Backend(Kind::Ifma(cpu));
        }
        Self::PORTABLE
    }

    /// All backends that this CPU can run, the best one last; tests compare them.
    #[must_use]
    pub fn all() -> Vec<Backend> {
        let mut all = vec![Self::PORTABLE, Self::best()];
        all.dedup();
        all
    }
}
