//! What a process loads before it knows its job: parameters, keys and verifiers of the circuits that its worker used lately.
//! All of it is public, so a process that waits holds nobody's secret; and it ends with its one job, so it passes none on.

use serde::{Deserialize, Serialize};
use tribute_engine::srs::Srs;
use tribute_problem::Result;

use crate::loaded::Loaded;
use crate::place::Workplace;
use crate::shape::ShapeBody;

/// What to load.
#[derive(Debug, Serialize, Deserialize)]
pub struct Warmup {
    /// Where parameters and keys are.
    pub workplace: Workplace,
    /// The circuits, the most likely first.
    pub shapes: Vec<ShapeBody>,
}

/// What a process has loaded.
#[derive(Default)]
pub(crate) struct Warm {
    srs: Vec<Srs>,
    circuits: Vec<(ShapeBody, Loaded)>,
}

impl Warm {
    /// Loads one circuit after the other, unless `wanted` says that the job has come. What cannot be loaded is left to the job,
    /// which makes keys that are missing, or says what is wrong.
    pub(crate) fn load(warmup: &Warmup, mut wanted: impl FnMut() -> bool) -> Warm {
        let mut warm = Warm::default();
        for body in &warmup.shapes {
            if wanted() {
                break;
            }
            if let Err(e) = warm.add(&warmup.workplace, body) {
                tracing::debug!(error = %e, "not loaded beforehand");
            }
        }
        warm
    }

    fn add(&mut self, workplace: &Workplace, body: &ShapeBody) -> Result<()> {
        let shape = body.shape()?;
        let srs = match self.srs(shape.layout.k()) {
            Some(srs) => srs,
            None => {
                let srs = workplace.srs_of(shape.layout.k())?;
                self.srs.push(srs.clone());
                srs
            }
        };
        self.circuits.push((*body, Loaded::kept(&srs, &shape, &workplace.cache())?));
        Ok(())
    }

    /// Parameters of size `2^k`.
    pub(crate) fn srs(&self, k: u32) -> Option<Srs> {
        self.srs.iter().find(|srs| srs.k() == k).cloned()
    }

    /// A circuit's keys and verifier, once, if they are for `srs`.
    pub(crate) fn take(&mut self, body: &ShapeBody, srs: &Srs) -> Option<Loaded> {
        let same = |(known, loaded): &(ShapeBody, Loaded)| known == body && loaded.srs == srs.digest();
        let at = self.circuits.iter().position(same)?;
        Some(self.circuits.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use tribute_circuits::keys::KeyCache;
    use tribute_core::layout::{Layout, Task};
    use tribute_core::link::Link;
    use tribute_core::statement::Statement;

    use super::*;
    use crate::place::Storage;

    #[test]
    fn keys_are_read_beforehand_and_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let workplace = Storage::in_folder(folder.path()).workplace;
        let layout = Layout::new(10, 1, 1, 2, Task::Classes).unwrap();
        let body = ShapeBody::of(Statement::Dataset, &layout, Link::Squared);
        let (srs, shape) = (workplace.srs_of(10).unwrap(), body.shape().unwrap());
        let cache = KeyCache::new(&workplace.cache());
        let file = cache.path(&srs, &shape).unwrap();
        let loaded = || {
            let warmup = Warmup { workplace: workplace.clone(), shapes: vec![body] };
            Warm::load(&warmup, || false).circuits.len()
        };
        assert_eq!(loaded(), 0);
        assert!(!file.exists());
        cache.get(&srs, &shape).unwrap();
        assert_eq!(loaded(), 1);
        std::fs::write(&file, b"damaged").unwrap();
        assert_eq!(loaded(), 0);
        assert_eq!(std::fs::read(&file).unwrap(), b"damaged");
    }
}
