//! What can be wrong with an SRS.

use std::io;

use thiserror::Error;

/// An SRS that cannot be used, with the file it came from.
#[derive(Debug, Error)]
#[error("SRS {path}: {flaw}")]
pub struct SrsError {
    /// The file or folder.
    pub path: String,
    /// What is wrong with it.
    #[source]
    pub flaw: Flaw,
}

/// What is wrong with an SRS.
#[derive(Debug, Error)]
pub enum Flaw {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Neither a `.ptau` file, nor halo2's parameters, nor a file that this program wrote.
    #[error("starts with {found}: neither a powers-of-tau file (`ptau`) nor an imported SRS (`TRIBSRS2`), and it has not the length of halo2's parameters")]
    Unknown {
        /// First bytes.
        found: String,
    },
    /// A format of another version.
    #[error("is of format version {got}, this program reads version {expected}")]
    Version {
        /// Known.
        expected: u32,
        /// Found.
        got: u32,
    },
    /// The content does not have the checksum that stands in the file.
    #[error("is damaged, its checksum does not match; import it again")]
    Damaged,
    /// The file ends too early.
    #[error("is cut short: {what} needs {needed} bytes, the file has {got}")]
    CutShort {
        /// What should have been there.
        what: String,
        /// Bytes that it needs, from the start of the file.
        needed: u64,
        /// Bytes in the file.
        got: u64,
    },
    /// A section is missing or there twice.
    #[error("has {got} sections of type {section}, exactly one is needed")]
    Sections {
        /// Section type.
        section: u32,
        /// How many there are.
        got: usize,
    },
    /// A section, or the whole file, has a length that its header contradicts.
    #[error("{what} has {got} bytes, its header says {expected}")]
    Length {
        /// What.
        what: String,
        /// By the header.
        expected: u64,
        /// Found.
        got: u64,
    },
    /// A number in a header that nothing real has.
    #[error("{what} is {got}, at most {limit} is possible")]
    Limit {
        /// Which number.
        what: &'static str,
        /// The largest.
        limit: u64,
        /// Found.
        got: u64,
    },
    /// A ceremony on another curve.
    #[error("is for a curve over the prime 0x{got}, BN254's is 0x{expected}")]
    Curve {
        /// BN254's prime.
        expected: String,
        /// The file's prime.
        got: String,
    },
    /// Fewer powers than wanted.
    #[error("holds powers for up to k = {power}, k = {k} was asked for; take a larger file of the same ceremony")]
    TooSmall {
        /// log2 of the powers in the file.
        power: u32,
        /// log2 of the powers wanted.
        k: u32,
    },
    /// An SRS of another size.
    #[error("is for k = {got}, k = {expected} is needed")]
    Size {
        /// Wanted.
        expected: u32,
        /// Found.
        got: u32,
    },
    /// A folder without an SRS of this size.
    #[error("holds no SRS for k = {k}; `tribute srs import` makes one")]
    Missing {
        /// log2 of the powers wanted.
        k: u32,
    },
    /// A folder without any SRS.
    #[error("holds no SRS; `tribute srs import` makes one")]
    Empty,
    /// A folder with SRS of different secrets.
    #[error("holds SRS of different ceremonies, 0x{one} and 0x{other}; keep each in a folder of its own")]
    Mixed {
        /// One digest.
        one: String,
        /// Another.
        other: String,
    },
    /// A point that is none of its group.
    #[error("point {index} of {group} is {problem}")]
    Point {
        /// Which list: `τ^i·G1`, `τ^i·G2` or the Lagrange basis.
        group: Group,
        /// Its index there.
        index: usize,
        /// What is wrong with it.
        problem: PointProblem,
    },
    /// The powers do not start with the group's fixed generator.
    #[error("the first point of {group} is not the generator")]
    Generator {
        /// Which list.
        group: Group,
    },
    /// A secret that everybody can find.
    #[error("the secret τ is a root of unity of order 2^{k} or less: anybody can find it, and the Lagrange basis is degenerate")]
    Trivial {
        /// log2 of the order.
        k: u32,
    },
    /// A power that does not belong to the others.
    #[error("point {index} of {group} is not τ times point {}: the powers are inconsistent", index - 1)]
    Inconsistent {
        /// Which list.
        group: Group,
        /// The first index that does not fit.
        index: usize,
    },
    /// A Lagrange basis of other powers.
    #[error("the Lagrange basis is not that of the powers; import the SRS again")]
    Lagrange,
}

/// A list of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Powers in G1.
    G1,
    /// Powers in G2.
    G2,
    /// The Lagrange basis, in G1.
    Lagrange,
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Group::G1 => "the powers in G1",
            Group::G2 => "the powers in G2",
            Group::Lagrange => "the Lagrange basis",
        })
    }
}

/// What is wrong with a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointProblem {
    /// A coordinate at or above the prime.
    NotCanonical,
    /// The point at infinity.
    Infinity,
    /// Not a solution of the curve's equation.
    OffCurve,
    /// On the curve, outside the group of prime order.
    OutsideSubgroup,
}

impl std::fmt::Display for PointProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PointProblem::NotCanonical => "not canonical: a coordinate is not below the prime",
            PointProblem::Infinity => "the point at infinity",
            PointProblem::OffCurve => "not on the curve",
            PointProblem::OutsideSubgroup => "outside the group of prime order",
        })
    }
}

impl Flaw {
    /// With the file it was found in.
    pub(super) fn at(self, path: &std::path::Path) -> SrsError {
        SrsError { path: path.display().to_string(), flaw: self }
    }
}
