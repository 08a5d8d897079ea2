//! Rebuilds a circuit from its shape, for comparison with the proof gate. Nothing is taken on trust: keys and verifier
//! are derived here, and the cost of verifying a proof is measured here.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::plonk::VerifyingKey;
use tribute_chain::circuits::{CircuitInfo, Difference};
use tribute_chain::{Contracts, NewCircuit};
use tribute_circuits::keys::{key_digest, verifying_key};
use tribute_core::digest::keccak;
use tribute_core::id::{CircuitId, CodeHash};
use tribute_core::shape::Shape;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};

/// Accepted gas caps, in percent of the measured cost: about three times that cost.
const GAS_CAP_PERCENT: std::ops::RangeInclusive<u64> = 250..=350;

/// A circuit, derived from its shape.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// What the gate must have registered; the gas cap is three times the measured cost.
    pub circuit: NewCircuit,
    /// keccak256 of the verifier's code.
    pub code_hash: CodeHash,
    /// Size of the verifier's code in bytes.
    pub code_bytes: usize,
    /// Execution gas of verifying one proof.
    pub gas: u64,
}

impl Rebuilt {
    /// Derives key and verifier of a shape under an SRS.
    pub fn new(shape: &Shape, srs: &Srs) -> Result<Rebuilt> {
        let tool = |e: tribute_evm::Error| Problem::new(Reason::ToolMissing, format!("verifier: {e}"));
        let vk = verifying_key(srs, shape).map_err(|e| Problem::field("shape", e.to_string()))?;
        let statement = shape.statement;
        let code = tribute_evm::generate_verifier(srs.params(), &vk, statement.inputs()).map_err(tool)?;
        let gas = check_cost(&vk, &code.runtime, statement.inputs())?;
        let narrow = |n: usize| u16::try_from(n).map_err(Problem::internal);
        let circuit = NewCircuit {
            statement: statement.code(),
            layout: shape.layout.hash(),
            link: shape.link_code(),
            group_columns: shape.groups().into_iter().map(narrow).collect::<Result<_>>()?,
            input_count: narrow(statement.inputs())?,
            proof_length: u32::try_from(Parts::of(&vk).length()).map_err(Problem::internal)?,
            gas_cap: u32::try_from(3 * gas).map_err(Problem::internal)?,
            srs: srs.digest(),
            verifying_key: key_digest(&vk),
        };
        Ok(Rebuilt { circuit, code_hash: CodeHash::new(keccak(&code.runtime)), code_bytes: code.runtime.len(), gas })
    }

    /// The id that the circuit must have at the gate.
    #[must_use]
    pub fn id(&self) -> CircuitId {
        self.circuit.id(&self.code_hash)
    }

    /// Differences between this circuit and the one registered under `id`.
    pub async fn differences(
        &self,
        contracts: &Contracts,
        id: &CircuitId,
        info: &CircuitInfo,
    ) -> Result<Vec<Difference>> {
        let mut all = contracts.differences(id, info, &self.circuit, &self.code_hash).await?;
        if self.cap_is_fair(info.gasCap) || contracts.raised_gas_cap(id).await? == Some(info.gasCap) {
            all.retain(|d| d.what != "gas cap");
        } else if let Some(cap) = all.iter_mut().find(|d| d.what == "gas cap") {
            cap.expected = format!("about {} (three times the measured {})", self.circuit.gas_cap, self.gas);
        }
        Ok(all)
    }

    fn cap_is_fair(&self, cap: u32) -> bool {
        GAS_CAP_PERCENT.contains(&(u64::from(cap) * 100 / self.gas.max(1)))
    }
}

/// Length of a proof under a key, in bytes.
#[must_use]
pub fn proof_length(vk: &VerifyingKey<G1Affine>) -> usize {
    Parts::of(vk).length()
}

/// The parts of a proof, in halo2's order: points of 64 bytes, scalars of 32 bytes, and SHPLONK's two points.
struct Parts {
    points: usize,
    scalars: usize,
}

impl Parts {
    const LAST: usize = 2;

    fn of(vk: &VerifyingKey<G1Affine>) -> Parts {
        let cs = vk.cs();
        // the permutation argument covers `degree − 2` columns with one running product
        let permuted = cs.permutation().get_columns().len();
        let products = permuted.div_ceil(cs.degree() - 2);
        let quotient = cs.degree() - 1;
        // every product is opened at three rows, except the last, which is opened at two
        let product_evaluations = (3 * products).saturating_sub(1);
        Parts {
            // advice columns, products, halo2's random polynomial, quotient pieces
            points: cs.num_advice_columns() + products + 1 + quotient,
            scalars: cs.advice_queries().len() + cs.fixed_queries().len() + 1 + permuted + product_evaluations,
        }
    }

    fn length(&self) -> usize {
        64 * (self.points + Parts::LAST) + 32 * self.scalars
    }

    /// A well-formed but invalid proof: every point is the curve's generator, every scalar is 1.
    fn empty(&self) -> Vec<u8> {
        let word = |n: u8| {
            let mut word = [0; 32];
            word[31] = n;
            word
        };
        let point = [word(1), word(2)].concat();
        [point.repeat(self.points), word(1).repeat(self.scalars), point.repeat(Parts::LAST)].concat()
    }
}

/// Execution gas of verifying one proof. It is measured on a well-formed but invalid proof: the verifier computes
/// everything and rejects only at the pairing, its last step, so a valid proof costs the same.
pub fn check_cost(vk: &VerifyingKey<G1Affine>, runtime: &[u8], inputs: usize) -> Result<u64> {
    let calldata = tribute_evm::calldata(&vec![Fr::one(); inputs], &Parts::of(vk).empty());
    let report = tribute_evm::run(runtime, &calldata).map_err(Problem::internal)?;
    if report.success {
        return Err(Problem::internal("the verifier accepts an invalid proof"));
    }
    Ok(report.execution_gas)
}
