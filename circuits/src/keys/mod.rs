//! Keys: generated, in files, and a folder of them.
//!
//! | file | holds |
//! |---|---|
//! | `synthesis` | what a circuit fixes, and the verifying key over it |
//! | `generate` | keys from the SRS and the shape, and what every circuit is checked for |
//! | `fingerprint` | what a circuit's keys are made from, as one digest |
//! | `file` | keys in a file |
//! | `cache` | a folder of key files |

mod cache;
mod file;
mod fingerprint;
mod generate;
mod synthesis;

pub use cache::{KeyCache, Origin};
pub use file::{KeyFileError, KeyFlaw};
pub use fingerprint::fingerprint;
pub(crate) use generate::check_size;
pub use generate::{key_digest, verifying_key, Keys};
