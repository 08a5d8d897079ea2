//! Errors of SRS files.

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
    /// Neither a `.ptau` file, nor halo2's parameters, nor a file written by this program.
    #[error("starts with {found}: neither a powers-of-tau file (`ptau`) nor an imported SRS (`TRIBSRS2`), and its length is not that of halo2's parameters")]
    Unknown {
        /// The file's first bytes.
        found: String,
    },
    /// An unsupported format version.
    #[error("has format version {got}; this program reads version {expected}")]
    Version {
        /// The supported version.
        expected: u32,
        /// The file's version.
        got: u32,
    },
    /// The content does not match the checksum in the file.
    #[error("is damaged: its checksum does not match; import it again")]
    Damaged,
    /// The file ends too early.
    #[error("is cut short: {what} needs {needed} bytes; the file has {got}")]
    CutShort {
        /// The part that is cut short.
        what: String,
        /// File length that the part needs.
        needed: u64,
        /// Length of the file.
        got: u64,
    },
    /// A section is missing or occurs twice.
    #[error("has {got} sections of type {section}; exactly one is needed")]
    Sections {
        /// Section type.
        section: u32,
        /// Number of such sections.
        got: usize,
    },
    /// A section, or the whole file, whose length contradicts its header.
    #[error("{what} has {got} bytes; its header says {expected}")]
    Length {
        /// The section or file.
        what: String,
        /// Length according to the header.
        expected: u64,
        /// Actual length.
        got: u64,
    },
    /// An implausibly large number in a header.
    #[error("{what} is {got}; the maximum is {limit}")]
    Limit {
        /// Name of the number.
        what: &'static str,
        /// Its maximum.
        limit: u64,
        /// Its value in the file.
        got: u64,
    },
    /// A ceremony on another curve.
    #[error("is for a curve over the prime 0x{got}; BN254's prime is 0x{expected}")]
    Curve {
        /// BN254's prime.
        expected: String,
        /// The file's prime.
        got: String,
    },
    /// Fewer powers than requested.
    #[error("has powers up to k = {power} but k = {k} was requested; use a larger file of the same ceremony")]
    TooSmall {
        /// log2 of the powers in the file.
        power: u32,
        /// log2 of the number of powers requested.
        k: u32,
    },
    /// An SRS of the wrong size.
    #[error("is for k = {got}; k = {expected} is needed")]
    Size {
        /// The `k` needed.
        expected: u32,
        /// The file's `k`.
        got: u32,
    },
    /// A folder without an SRS of this size.
    #[error("holds no SRS for k = {k}; `tribute srs import` makes one")]
    Missing {
        /// log2 of the number of powers requested.
        k: u32,
    },
    /// A folder without any SRS.
    #[error("holds no SRS; `tribute srs import` makes one")]
    Empty,
    /// A folder with SRS from different ceremonies.
    #[error("holds SRS of different ceremonies, 0x{one} and 0x{other}; keep each in a folder of its own")]
    Mixed {
        /// One digest.
        one: String,
        /// Another.
        other: String,
    },
    /// An invalid point.
    #[error("point {index} of {group} is {problem}")]
    Point {
        /// The list that contains it.
        group: Group,
        /// Its index in the list.
        index: usize,
        /// Why it is invalid.
        problem: PointProblem,
    },
    /// The powers do not start with the group's fixed generator.
    #[error("the first point of {group} is not the generator")]
    Generator {
        /// The list.
        group: Group,
    },
    /// A secret that anyone can find.
    #[error("the secret τ is a root of unity of order 2^{k} or less: anybody can find it, and the Lagrange basis is degenerate")]
    Trivial {
        /// log2 of the order.
        k: u32,
    },
    /// A power that is inconsistent with the others.
    #[error("point {index} of {group} is not τ times point {}: the powers are inconsistent", index - 1)]
    Inconsistent {
        /// The list.
        group: Group,
        /// The first inconsistent index.
        index: usize,
    },
    /// A Lagrange basis that does not match the powers.
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
    /// Adds the path of the file that has the flaw.
    pub(super) fn at(self, path: &std::path::Path) -> SrsError {
        SrsError { path: path.display().to_string(), flaw: self }
    }
}
