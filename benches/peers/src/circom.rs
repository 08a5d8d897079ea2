//! The binary files that circom writes: constraints (`.r1cs`) and witnesses (`.wtns`), iden3's formats, version 1 and 2.

use std::path::Path;

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, Matrix, Result as SynthesisResult, Variable,
};

use crate::Result;

/// The constraints `⟨a, w⟩·⟨b, w⟩ = ⟨c, w⟩`; `w` starts with 1 and the public values.
pub struct Circuit {
    matrices: [Matrix<Fr>; 3],
    inputs: usize,
    wires: usize,
}

impl Circuit {
    /// Reads an `.r1cs` file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let sections = sections(&bytes, b"r1cs")?;
        let mut header = Reader(section(&sections, 1)?);
        field_of_bn254(&mut header)?;
        let wires = header.u32()? as usize;
        let inputs = 1 + header.u32()? as usize + header.u32()? as usize;
        header.take(4 + 8)?;
        let constraints = header.u32()? as usize;
        let mut body = Reader(section(&sections, 2)?);
        let mut matrices = [(); 3].map(|()| Vec::with_capacity(constraints));
        for _ in 0..constraints {
            for matrix in &mut matrices {
                let terms = body.u32()? as usize;
                let mut row = Vec::with_capacity(terms);
                for _ in 0..terms {
                    let wire = body.u32()? as usize;
                    row.push((body.scalar()?, wire));
                }
                matrix.push(row);
            }
        }
        Ok(Self { matrices, inputs, wires })
    }

    pub fn matrices(&self) -> &[Matrix<Fr>] {
        &self.matrices
    }

    /// Number of public values, with the constant 1.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn constraints(&self) -> usize {
        self.matrices[0].len()
    }
}

impl ConstraintSynthesizer<Fr> for &Circuit {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> SynthesisResult<()> {
        for _ in 1..self.inputs {
            let _ = system.new_input_variable(|| Ok(Fr::from(0u64)))?;
        }
        for _ in self.inputs..self.wires {
            let _ = system.new_witness_variable(|| Ok(Fr::from(0u64)))?;
        }
        let variable = |wire: usize| match wire {
            0 => Variable::one(),
            w if w < self.inputs => Variable::instance(w),
            w => Variable::witness(w - self.inputs),
        };
        let sum = |row: &Vec<(Fr, usize)>| LinearCombination(row.iter().map(|(c, w)| (*c, variable(*w))).collect());
        let [a, b, c] = &self.matrices;
        for ((a, b), c) in a.iter().zip(b).zip(c) {
            system.enforce_r1cs_constraint(|| sum(a), || sum(b), || sum(c))?;
        }
        Ok(())
    }
}

/// Reads a `.wtns` file: the values of all wires.
pub fn witness(path: &Path) -> Result<Vec<Fr>> {
    let bytes = std::fs::read(path)?;
    let sections = sections(&bytes, b"wtns")?;
    let mut header = Reader(section(&sections, 1)?);
    field_of_bn254(&mut header)?;
    let count = header.u32()? as usize;
    let mut body = Reader(section(&sections, 2)?);
    (0..count).map(|_| body.scalar()).collect()
}

fn sections<'a>(bytes: &'a [u8], magic: &[u8; 4]) -> Result<Vec<(u32, &'a [u8])>> {
    let mut reader = Reader(bytes);
    if reader.take(4)? != magic {
        return Err(format!("not a file of type {}", String::from_utf8_lossy(magic)).into());
    }
    reader.take(4)?;
    let count = reader.u32()?;
    (0..count)
        .map(|_| {
            let kind = reader.u32()?;
            let length = usize::try_from(u64::from_le_bytes(reader.take(8)?.try_into()?))?;
            Ok((kind, reader.take(length)?))
        })
        .collect()
}

fn section<'a>(sections: &[(u32, &'a [u8])], kind: u32) -> Result<&'a [u8]> {
    sections
        .iter()
        .find(|(k, _)| *k == kind)
        .map(|(_, bytes)| *bytes)
        .ok_or_else(|| format!("no section {kind}").into())
}

fn field_of_bn254(header: &mut Reader<'_>) -> Result<()> {
    let size = header.u32()? as usize;
    if header.take(size)? != Fr::MODULUS.to_bytes_le() {
        return Err("not over BN254's scalar field".into());
    }
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).ok_or("the file ends early")?;
        self.0 = tail;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn scalar(&mut self) -> Result<Fr> {
        Ok(Fr::from_le_bytes_mod_order(self.take(32)?))
    }
}
