//! The Solidity verifier that snark-verifier 0.2.7 generates.
//!
//! Known pitfalls of its code, which the caller has to handle: inputs are reduced mod r (x and x + r both pass),
//! trailing calldata is ignored, and an invalid point burns all forwarded gas.

use crate::Error;
use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fq, Fr, G1Affine},
    plonk::VerifyingKey,
    poly::{
        commitment::{Params, ParamsProver},
        kzg::commitment::ParamsKZG,
    },
};
use snark_verifier::{
    loader::evm::EvmLoader,
    pcs::kzg::{Bdfg21, KzgAs, KzgDecidingKey, LimbsEncoding},
    system::halo2::{compile, transcript::evm::EvmTranscript, Config},
    verifier::{plonk::PlonkVerifier, SnarkVerifier},
};
use std::rc::Rc;

type Shplonk = KzgAs<Bn256, Bdfg21>;
/// The encoding of accumulators in inputs; not used by the circuits here.
type Verifier = PlonkVerifier<Shplonk, LimbsEncoding<3, 88>>;

/// Solidity source of a verifier of proofs for `vk` with one instance column of `num_instance` values.
///
/// # Errors
/// If the key does not have exactly one instance column or the SRS's size, or if snark-verifier does not support it.
pub fn generate(params: &ParamsKZG<Bn256>, vk: &VerifyingKey<G1Affine>, num_instance: usize) -> Result<String, Error> {
    check_shape(params, vk)?;
    let unsupported = |e: snark_verifier::Error| Error::Unsupported { what: format!("{e:?}") };

    let config = Config::kzg().with_num_instance(vec![num_instance]);
    let protocol = compile(params, vk, config);
    let deciding: KzgDecidingKey<Bn256> = (params.get_g()[0], params.g2(), params.s_g2()).into();

    let loader = EvmLoader::new::<Fq, Fr>();
    let protocol = protocol.loaded(&loader);
    let mut transcript = EvmTranscript::<_, Rc<EvmLoader>, _, _>::new(&loader);
    let instances = transcript.load_instances(vec![num_instance]);
    let proof = Verifier::read_proof(&deciding, &protocol, &instances, &mut transcript).map_err(unsupported)?;
    Verifier::verify(&deciding, &protocol, &instances, &proof).map_err(unsupported)?;
    Ok(loader.solidity_code())
}

/// Checks for one instance column and an SRS of the key's size.
pub(crate) fn check_shape(params: &ParamsKZG<Bn256>, vk: &VerifyingKey<G1Affine>) -> Result<(), Error> {
    let (srs, key) = (params.k(), vk.get_domain().k());
    if srs != key {
        return Err(Error::SrsMismatch { srs, key });
    }
    match vk.cs().num_instance_columns() {
        1 => Ok(()),
        n => Err(Error::Unsupported { what: format!("{n} instance columns instead of one") }),
    }
}
