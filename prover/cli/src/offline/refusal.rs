//! Refusals of files, by verifiers that share what they derive.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use tribute_core::id::SrsDigest;
use tribute_core::shape::Shape;
use tribute_core::srs::SrsPoints;
use tribute_verify::{Trust, Verifier, VerifyingKey};

use super::tests::options;
use super::{Derived, Unavailable};

/// The refusal of a file, or `accepted`. Any number of threads may ask: each has a verifier for itself meanwhile.
pub(super) fn refusal_of(json: &[u8]) -> String {
    static IDLE: Mutex<Vec<Verifier<Shared>>> = Mutex::new(Vec::new());
    let idle = IDLE.lock().unwrap().pop();
    let mut verifier = idle.unwrap_or_else(|| Verifier::new(Shared));
    let refusal = refusal_by(&mut verifier, json);
    IDLE.lock().unwrap().push(verifier);
    refusal
}

/// The refusal of a file by a verifier that must not ask for an SRS or a key: before the first proof.
pub(super) fn refusal_before_proofs(json: &[u8]) -> String {
    refusal_by(&mut Verifier::new(NeverAsked), json)
}

fn refusal_by<T: Trust<Error = Unavailable>>(verifier: &mut Verifier<T>, json: &[u8]) -> String {
    match verifier.verify(json) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => e.to_string(),
    }
}

/// Panics when it is asked for anything that proofs need.
struct NeverAsked;

impl Trust for NeverAsked {
    type Error = Unavailable;

    fn accepts_development_srs(&self) -> bool {
        panic!("the SRS is looked at before all relations are checked")
    }

    fn srs(&mut self, _: u32, _: &SrsDigest) -> Result<SrsPoints, Unavailable> {
        panic!("the SRS is asked for before all relations are checked")
    }

    fn verifying_key(&mut self, _: &Shape, _: &SrsDigest) -> Result<VerifyingKey, Unavailable> {
        panic!("a key is asked for before all relations are checked")
    }
}

/// [`Derived`], which derives everything once for all verifiers.
struct Shared;

struct Known {
    derived: Derived,
    keys: HashMap<(Shape, SrsDigest), VerifyingKey>,
}

static KNOWN: LazyLock<Mutex<Known>> =
    LazyLock::new(|| Mutex::new(Known { derived: Derived::new(options()), keys: HashMap::new() }));

impl Trust for Shared {
    type Error = Unavailable;

    fn accepts_development_srs(&self) -> bool {
        KNOWN.lock().unwrap().derived.accepts_development_srs()
    }

    fn srs(&mut self, k: u32, digest: &SrsDigest) -> Result<SrsPoints, Unavailable> {
        KNOWN.lock().unwrap().derived.srs(k, digest)
    }

    fn verifying_key(&mut self, shape: &Shape, srs: &SrsDigest) -> Result<VerifyingKey, Unavailable> {
        let mut known = KNOWN.lock().unwrap();
        let named = (shape.clone(), *srs);
        if let Some(key) = known.keys.get(&named) {
            return Ok(key.clone());
        }
        let key = known.derived.verifying_key(shape, srs)?;
        known.keys.insert(named, key.clone());
        Ok(key)
    }
}
