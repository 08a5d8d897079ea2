//! Keys and verifiers, created once per shape and process.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock};

use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::{verify, Proof};
use tribute_engine::srs::Srs;
use tribute_verify::{verify as verify_ark, VerifierSrs};

/// Values created once per key.
type Cache<K, V> = OnceLock<Mutex<HashMap<K, &'static OnceLock<V>>>>;

fn once<K: Eq + std::hash::Hash, V>(cache: &'static Cache<K, V>, key: K, make: impl FnOnce() -> V) -> &'static V {
    let slot: &'static OnceLock<V> = {
        let mut map = cache.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        map.entry(key).or_insert_with(|| Box::leak(Box::default()))
    };
    slot.get_or_init(make)
}

/// The development SRS of a size.
pub fn srs(k: u32) -> &'static Srs {
    static CACHE: Cache<u32, Srs> = OnceLock::new();
    once(&CACHE, k, || Srs::development(k))
}

/// Keys and verifiers of one shape.
pub struct Keyed {
    pub srs: &'static Srs,
    pub keys: Keys,
    small_srs: VerifierSrs,
    code: OnceLock<Vec<u8>>,
    honest: Mutex<HashSet<Vec<u8>>>,
}

/// The keys of a shape.
pub fn keyed(shape: &Shape) -> &'static Keyed {
    keyed_without(shape, &[])
}

/// The keys of a shape's circuit without some of its gates.
pub fn keyed_without(shape: &Shape, gates: &[&str]) -> &'static Keyed {
    static CACHE: Cache<(Shape, Vec<String>), Keyed> = OnceLock::new();
    once(&CACHE, (shape.clone(), gates.iter().map(|gate| (*gate).to_owned()).collect()), || {
        let srs = srs(shape.layout.k());
        let keys = if gates.is_empty() { Keys::generate(srs, shape) } else { Keys::without_gates(srs, shape, gates) };
        Keyed {
            srs,
            keys: keys.unwrap(),
            small_srs: VerifierSrs::read(&srs.points()).unwrap(),
            code: OnceLock::new(),
            honest: Mutex::default(),
        }
    })
}

impl Keyed {
    /// The verdict of both native verifiers, which must agree.
    pub fn native(&self, proof: &Proof) -> bool {
        let halo2 = verify(self.srs, self.keys.vk(), proof);
        let ark = verify_ark(self.keys.vk(), &self.small_srs, &proof.input_words(), &proof.bytes).is_ok();
        assert_eq!(halo2, ark, "{}: halo2's verifier and ours disagree", self.keys.shape().name());
        halo2
    }

    /// The EVM bytecode's verdict.
    pub fn evm(&self, proof: &Proof) -> bool {
        self.evm_call(&proof.calldata())
    }

    /// The EVM bytecode's verdict on this calldata.
    pub fn evm_call(&self, calldata: &[u8]) -> bool {
        tribute_evm::run(self.code(), calldata).unwrap().success
    }

    /// Bytecode of the EVM verifier.
    pub fn code(&self) -> &[u8] {
        self.code.get_or_init(|| {
            let inputs = self.keys.shape().statement.inputs();
            tribute_evm::direct::generate(self.srs.params(), self.keys.vk(), inputs).unwrap().runtime
        })
    }

    /// Proves the claim and checks that it is accepted natively and in the EVM. A claim that was accepted before is not
    /// proven again.
    pub fn accept(&self, name: &str, circuit: &dyn StatementWitness, inputs: &[Fr]) {
        let mut claim: Vec<u8> =
            circuit.committed().iter().flat_map(|c| c.values.iter().rev().take(1).flat_map(Fr::to_bytes)).collect();
        claim.extend(inputs.iter().flat_map(Fr::to_bytes));
        let mut honest = self.honest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if honest.contains(&claim) {
            return;
        }
        let proof = prove(self.srs, &self.keys, circuit, inputs.to_vec()).unwrap();
        assert!(self.native(&proof), "{name}: the honest twin is rejected");
        assert!(self.evm(&proof), "{name}: the EVM verifier rejects the honest twin");
        honest.insert(claim);
    }
}
