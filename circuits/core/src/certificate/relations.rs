//! Building blocks for the relations of all files.

use ark_bn254::Fr;

use super::blame::{whole, Field, Relations};
use super::{CertificateError, FileProof, Hex};
use crate::digest::{group_digest, Digest};
use crate::layout::Layout;
use crate::receipt::{from_word, to_word};
use crate::statement::Statement;

/// Fields that are all fully bound.
pub(crate) fn all<S: Into<String>>(paths: impl IntoIterator<Item = S>) -> Vec<Field> {
    paths.into_iter().map(whole).collect()
}

pub(crate) fn word_is(word: &Hex<32>, value: Fr) -> bool {
    word.0 == to_word(&value)
}

/// Relates a public input to the field that must equal it.
pub(crate) fn equal(r: &mut Relations, word: &Hex<32>, input: String, value: Fr, field: String) {
    let fields = vec![whole(field), whole(input)];
    r.relate(word_is(word, value), fields, || "the field and the proof's input differ".into());
}

/// Relates a proof's context to the fields that determine it.
pub(crate) fn context(r: &mut Relations, word: &Hex<32>, expected: Fr, fields: Vec<Field>) {
    let expected = Hex(to_word(&expected));
    r.relate(*word == expected, fields, || {
        format!("the proof is for something else: its ctx is {word}, not {expected}")
    });
}

/// Checks a list of sentences. `told` names the field that determines the wording of the sentence at a position, if
/// there is one.
pub(crate) fn sentences(
    r: &mut Relations,
    name: &str,
    said: &[String],
    expected: &[&str],
    told: impl Fn(usize) -> Option<Field>,
) {
    r.limit(said.len() == expected.len(), vec![name.into()], || {
        format!("{} sentences, expected {}", said.len(), expected.len())
    });
    for (i, (said, expected)) in said.iter().zip(expected).enumerate() {
        let fields = [whole(format!("{name}[{i}]"))].into_iter().chain(told(i)).collect();
        r.relate(said == expected, fields, || format!("the sentence must be: {expected}"));
    }
}

pub(crate) fn sum(mut values: impl Iterator<Item = u64>) -> Option<u64> {
    values.try_fold(0u64, u64::checked_add)
}

impl FileProof {
    /// Checks the number of inputs, that each is below the modulus, and that the commitments are present. For errors,
    /// `path` is the proof's path and `columns` the path of the layout's column count.
    pub(crate) fn check(
        &self,
        layout: &Layout,
        statement: Statement,
        path: &str,
        columns: &str,
    ) -> Result<(), CertificateError> {
        let expected = statement.inputs();
        if self.inputs.len() != expected {
            let reason = format!("{} public inputs, a {} proof has {expected}", self.inputs.len(), statement.name());
            return Err(CertificateError::field(format!("{path}.inputs"), reason));
        }
        if let Some(i) = self.inputs.iter().position(|w| from_word(&w.0).is_none()) {
            return Err(CertificateError::field(format!("{path}.inputs[{i}]"), "not below the field's modulus"));
        }
        let prefix: usize = statement.groups(layout.columns()).iter().sum::<usize>() * 64;
        if self.bytes.0.len() < prefix {
            let reason = format!("{} bytes, the commitments alone take {prefix}", self.bytes.0.len());
            return Err(CertificateError::Field { fields: vec![format!("{path}.bytes"), columns.into()], reason });
        }
        Ok(())
    }

    /// Digest of a committed group.
    pub(crate) fn group(&self, layout: &Layout, statement: Statement, group: usize) -> Digest {
        group_digest(self.points(layout, statement, group))
    }

    /// The points of a committed group.
    pub(crate) fn points(&self, layout: &Layout, statement: Statement, group: usize) -> &[u8] {
        let columns = statement.groups(layout.columns());
        let start: usize = columns[..group].iter().sum::<usize>() * 64;
        // `check` has made sure that the groups are present
        self.bytes.0.get(start..start + columns[group] * 64).unwrap_or_default()
    }
}
