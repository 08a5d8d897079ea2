//! The Fiat–Shamir transcript: Keccak-256 over 32-byte words, cheap in the EVM.
//!
//! The state is a byte buffer. Absorbing appends big-endian words (a point is `x‖y`). Squeezing hashes the buffer; the
//! digest modulo r is the challenge, and the digest becomes the new buffer. If the buffer is just one word, the byte 1
//! is appended first, so that two squeezes in a row differ. This matches snark-verifier's EVM transcript.

use std::io::{self, Read, Write};

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::FromUniformBytes;
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead, TranscriptWrite};
use tribute_core::digest::keccak;

use crate::field::{from_word, point_bytes, point_from_bytes, word};

/// A squeezed challenge.
#[derive(Clone, Copy, Debug)]
pub struct KeccakChallenge(Fr);

impl EncodedChallenge<G1Affine> for KeccakChallenge {
    type Input = [u8; 32];

    fn new(digest: &[u8; 32]) -> Self {
        let mut wide = [0; 64];
        for (w, d) in wide.iter_mut().zip(digest.iter().rev()) {
            *w = *d;
        }
        KeccakChallenge(Fr::from_uniform_bytes(&wide))
    }

    fn get_scalar(&self) -> Fr {
        self.0
    }
}

/// A transcript over a reader (verifying) or a writer (proving).
#[derive(Debug)]
pub struct Keccak<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S> Keccak<S> {
    /// An empty transcript over `stream`.
    pub fn new(stream: S) -> Self {
        Keccak { stream, buffer: Vec::new() }
    }
    /// The reader or writer.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

/// Squeezes the next challenge.
pub(crate) fn squeeze<S>(transcript: &mut Keccak<S>) -> Fr {
    transcript.squeeze_challenge().get_scalar()
}

fn infinity() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a proof cannot contain the point at infinity")
}

impl<S> Transcript<G1Affine, KeccakChallenge> for Keccak<S> {
    fn squeeze_challenge(&mut self) -> KeccakChallenge {
        if self.buffer.len() == 32 {
            self.buffer.push(1);
        }
        let digest = keccak(&self.buffer);
        self.buffer = digest.to_vec();
        KeccakChallenge::new(&digest)
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.buffer.extend_from_slice(&point_bytes(&point).ok_or_else(infinity)?);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.buffer.extend_from_slice(&word(&scalar));
        Ok(())
    }
}

impl<R: Read> TranscriptRead<G1Affine, KeccakChallenge> for Keccak<R> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let mut bytes = [0; 64];
        self.stream.read_exact(&mut bytes)?;
        let point = point_from_bytes(&bytes)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a point of the proof is not on the curve"))?;
        self.common_point(point)?;
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let mut bytes = [0; 32];
        self.stream.read_exact(&mut bytes)?;
        let scalar = from_word(&bytes).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a scalar of the proof is not below the modulus")
        })?;
        self.common_scalar(scalar)?;
        Ok(scalar)
    }
}

impl<W: Write> TranscriptWrite<G1Affine, KeccakChallenge> for Keccak<W> {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.common_point(point)?;
        self.stream.write_all(&point_bytes(&point).ok_or_else(infinity)?)
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.common_scalar(scalar)?;
        self.stream.write_all(&word(&scalar))
    }
}
