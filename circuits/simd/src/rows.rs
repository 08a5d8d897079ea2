//! Runs programs over blocks of rows, on all threads.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rayon::prelude::*;

use crate::backend::{Backend, Kind};
use crate::program::Program;

/// Number of rows that a thread processes at a time.
const PART: usize = 1 << 10;

impl Program {
    /// Computes the results on rows 0 to `rows`, exclusive.
    ///
    /// # Panics
    /// If a column is too short.
    #[must_use]
    pub fn run(&self, backend: Backend, columns: &[&[Fr]], rows: usize) -> Vec<Vec<Fr>> {
        let mut out = vec![vec![Fr::ZERO; rows]; self.results.len()];
        let mut parts: Vec<Vec<&mut [Fr]>> = (0..rows.div_ceil(PART)).map(|_| Vec::new()).collect();
        for result in &mut out {
            parts.iter_mut().zip(result.chunks_mut(PART)).for_each(|(part, chunk)| part.push(chunk));
        }
        parts.par_iter_mut().enumerate().for_each(|(i, part)| {
            let start = i * PART;
            match backend.0 {
                Kind::Portable => self.portable(columns, start, part),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2(cpu) => cpu.run_program(self, columns, start, part),
                #[cfg(target_arch = "x86_64")]
                Kind::Ifma(cpu) => cpu.run_program(self, columns, start, part),
            }
        });
        out
    }
}
