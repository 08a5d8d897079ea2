//! Keys: generation, key files and a cache.
//!
//! | file | contents |
//! |---|---|
//! | `synthesis` | a circuit's fixed data, and its verifying key |
//! | `generate` | keys from the SRS and the shape, and the checks on every circuit |
//! | `fingerprint` | a digest of what determines a circuit's keys |
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
