//! Errors as the caller sees them: a stable reason, a message and the operands.
//!
//! A [`Problem`] crosses process and network boundaries unchanged: from a proving process to its job's row, and from
//! there to the caller as `google.rpc.ErrorInfo`. `proto/tribute/v1/errors.md` lists the reasons.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "tribute";

/// Metadata of [`Reason::NotReady`]: the job that runs, so that asking again helps.
pub const AWAITS: &str = "awaits";

/// Longest message or operand of a status, bytes. A status travels as metadata, its message twice and once percent-encoded, and
/// common clients refuse metadata from 8 KiB on.
const LONGEST: usize = 1500;
/// When to send a call again that failed because something is not available now.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);
const CUT: &str = " … (cut)";

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $code:ident;)*) => {
        /// Stable error codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }
        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];
            /// The stable text, such as `BAD_FIELD`.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
            /// The gRPC status code.
            #[must_use]
            pub fn code(self) -> Code {
                match self { $(Reason::$name => Code::$code,)* }
            }
        }
    };
}

reasons! {
    /// A field is missing or malformed.
    BadField = "BAD_FIELD", InvalidArgument;
    /// A record cannot be read: the error gives file, row and column.
    BadRecord = "BAD_RECORD", InvalidArgument;
    /// The schema is unusable.
    BadSchema = "BAD_SCHEMA", InvalidArgument;
    /// There is no layout of that size.
    BadProfile = "BAD_PROFILE", InvalidArgument;
    /// An agent's datasets have different schemas or profiles.
    SchemaMismatch = "SCHEMA_MISMATCH", InvalidArgument;
    /// A query does not match the schema or lies outside its ranges, or its salt does not fit in a receipt.
    BadQuery = "BAD_QUERY", InvalidArgument;
    /// The model is not a canonical agent and no head can be made from it, or it ends in another link.
    BadModel = "BAD_MODEL", InvalidArgument;
    /// The model is not the optimum over the datasets.
    NotTheOptimum = "NOT_THE_OPTIMUM", FailedPrecondition;
    /// The request is not signed, or not by the stated signer.
    BadSignature = "BAD_SIGNATURE", Unauthenticated;
    /// The token is missing, has ended, or was never given.
    BadToken = "BAD_TOKEN", Unauthenticated;
    /// The call's deadline has passed or is too far ahead, or what it sends did not arrive in time.
    RequestExpired = "REQUEST_EXPIRED", Unauthenticated;
    /// The nonce was used before.
    NonceReplayed = "NONCE_REPLAYED", Unauthenticated;
    /// The caller may not do this.
    NotAllowed = "NOT_ALLOWED", PermissionDenied;
    /// The caller has no grant to train on a dataset.
    NoGrant = "NO_GRANT", PermissionDenied;
    /// There is nothing with that id, or the caller may not see it.
    NotFound = "NOT_FOUND", NotFound;
    /// Something else must happen first.
    NotReady = "NOT_READY", FailedPrecondition;
    /// A query's position or voucher does not continue the session's transcript.
    ForkedTranscript = "FORKED_TRANSCRIPT", FailedPrecondition;
    /// A voucher is missing, old, or not signed by the session key.
    BadVoucher = "BAD_VOUCHER", FailedPrecondition;
    /// The session's escrow does not cover the request.
    EscrowShort = "ESCROW_SHORT", FailedPrecondition;
    /// The session's escrow is thawing.
    EscrowThawing = "ESCROW_THAWING", FailedPrecondition;
    /// The committed columns have been opened as often as their salts allow.
    BudgetSpent = "BUDGET_SPENT", ResourceExhausted;
    /// A message is longer than its call allows, or work needs more memory than a job has here.
    TooLarge = "TOO_LARGE", ResourceExhausted;
    /// The account has as much on this server as it may.
    QuotaSpent = "QUOTA_SPENT", ResourceExhausted;
    /// The server has as much to do at once as it bears.
    Busy = "BUSY", Unavailable;
    /// The server runs without a chain, or the node does not answer or rejects the request.
    ChainUnavailable = "CHAIN_UNAVAILABLE", Unavailable;
    /// The node serves another chain, or its contracts do not match the deployment or the circuit.
    ChainDiffers = "CHAIN_DIFFERS", FailedPrecondition;
    /// A transaction could not be paid for or signed, was not mined in time, or did not end as expected.
    TransactionFailed = "TRANSACTION_FAILED", Aborted;
    /// A contract reverted: the metadata holds its error and operands.
    Reverted = "REVERTED", FailedPrecondition;
    /// The job's deadline passed before it ended.
    DeadlinePassed = "DEADLINE_PASSED", DeadlineExceeded;
    /// The job's worker was lost too often.
    WorkerLost = "WORKER_LOST", Aborted;
    /// A stored artefact is corrupt.
    ArtefactDamaged = "ARTEFACT_DAMAGED", DataLoss;
    /// The disk or the database failed to store data.
    StorageFailed = "STORAGE_FAILED", ResourceExhausted;
    /// The database does not answer.
    StorageUnavailable = "STORAGE_UNAVAILABLE", Unavailable;
    /// A new proof failed verification and was withheld.
    ProofRejected = "PROOF_REJECTED", Internal;
    /// A tool required by the set-up is missing or does not start.
    ToolMissing = "TOOL_MISSING", FailedPrecondition;
    /// An internal error of the server.
    Internal = "INTERNAL", Internal;
}

/// An error with a stable reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Stable reason.
    pub reason: Reason,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Operands by name.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A result whose error is a [`Problem`].
pub type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    /// A problem without operands.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Problem { reason, message: message.into(), metadata: BTreeMap::new() }
    }
    /// Adds an operand.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.metadata.insert(key.into(), value.to_string());
        self
    }
    /// A malformed request field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Problem::new(Reason::BadField, format!("{name}: {}", message.into())).with("field", name)
    }
    /// There is nothing with that id, or the caller may not see it.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Problem::new(Reason::NotFound, format!("no {what} {id} of yours on this server"))
            .with("kind", what)
            .with("id", id)
    }
    /// An error that is not the caller's fault.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        Problem::new(Reason::Internal, error.to_string())
    }
    /// An error of a disk or database.
    pub fn storage(error: impl std::fmt::Display) -> Self {
        let said = error.to_string();
        let full = ["is full", "No space left", "File too large", "quota exceeded"].iter().any(|s| said.contains(s));
        let advice = if full { ". Free some space and send it again: nothing was stored" } else { "" };
        Problem::new(Reason::StorageFailed, format!("{said}{advice}"))
    }
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        matches!(
            self.reason,
            Reason::Internal
                | Reason::StorageFailed
                | Reason::StorageUnavailable
                | Reason::Busy
                | Reason::ChainUnavailable
                | Reason::ProofRejected
        )
    }
    /// Whether a disk or the database is the cause, and not what was asked of it.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        matches!(self.reason, Reason::StorageFailed | Reason::StorageUnavailable)
    }
    /// The database does not answer.
    pub fn unavailable(error: impl std::fmt::Display) -> Self {
        let message = format!("the database does not answer ({error}): nothing was changed, send it again in a moment");
        Problem::new(Reason::StorageUnavailable, message)
    }
    /// Reads the problem from a status sent by a Tribute server.
    #[must_use]
    pub fn from_status(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info()?;
        let reason = *Reason::ALL.iter().find(|r| r.text() == info.reason)?;
        Some(Problem { reason, message: status.message().into(), metadata: info.metadata.into_iter().collect() })
    }
}

impl From<Problem> for Status {
    fn from(p: Problem) -> Status {
        if p.reason == Reason::Internal {
            tracing::error!(message = %p.message, "internal error");
        }
        let field = p.metadata.get("field").cloned();
        let message = shortened(p.message);
        let metadata: HashMap<_, _> = p.metadata.into_iter().map(|(name, value)| (name, shortened(value))).collect();
        let mut details = ErrorDetails::with_error_info(p.reason.text(), DOMAIN, metadata);
        if let (Reason::BadField, Some(field)) = (p.reason, field) {
            details.add_bad_request_violation(field, message.clone());
        }
        if p.reason.code() == Code::Unavailable {
            details.set_retry_info(Some(RETRY));
        }
        Status::with_error_details(p.reason.code(), message, details)
    }
}

/// Cuts a text to [`LONGEST`] bytes and says so.
fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST - CUT.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

/// Converts a bytes field of a message to an identifier or an address.
///
/// # Errors
/// [`Reason::BadField`] with the field's name and what is wrong.
pub fn field<'a, T>(name: &str, bytes: &'a [u8]) -> Result<T>
where
    T: TryFrom<&'a [u8]>,
    T::Error: std::fmt::Display,
{
    T::try_from(bytes).map_err(|e| Problem::field(name, e.to_string()))
}

#[cfg(feature = "sqlx")]
impl From<sqlx::Error> for Problem {
    fn from(e: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let gone = match &e {
            E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Io(_) | E::Tls(_) => true,
            E::Database(d) => d.code().is_some_and(|code| passes(&code)),
            _ => false,
        };
        if gone {
            Problem::unavailable(e)
        } else {
            Problem::storage(format!("database: {e}"))
        }
    }
}

/// Whether a database's error code says that the same may succeed in a moment. PostgreSQL: connections, transactions that were
/// rolled back because of others, resources but for a full disk, and shutdown (classes 08, 40, 53, 57); SQLite: busy and locked.
#[cfg(feature = "sqlx")]
fn passes(code: &str) -> bool {
    let (class, sqlite) = (code.get(..2).unwrap_or_default(), code.parse().unwrap_or(0) & 0xff);
    (code.len() == 5 && matches!(class, "08" | "40" | "53" | "57") && code != "53100")
        || (code.len() < 5 && matches!(sqlite, 5 | 6))
}

impl From<std::io::Error> for Problem {
    fn from(e: std::io::Error) -> Self {
        Problem::storage(e.to_string())
    }
}

impl From<serde_json::Error> for Problem {
    fn from(e: serde_json::Error) -> Self {
        Problem::internal(format!("stored value: {e}"))
    }
}

impl From<tribute_records::DataError> for Problem {
    fn from(e: tribute_records::DataError) -> Self {
        use tribute_records::Fault as F;
        let message = e.to_string();
        let mut p = match *e.fault {
            F::Schema(_) => Problem::new(Reason::BadSchema, message),
            F::Rows { len, .. } => Problem::field("rows", message).with("records", len),
            F::Width { expected, got, .. } => {
                Problem::new(Reason::BadRecord, message).with("expected", expected).with("got", got)
            }
            F::Doubtful(doubts) => {
                let flags: Vec<&str> = doubts.iter().map(|d| d.flag).collect();
                Problem::new(Reason::BadRecord, message).with("flags", flags.join(" "))
            }
            _ => Problem::new(Reason::BadRecord, message),
        };
        if let Some(row) = e.row {
            p = p.with("row", row);
        }
        if let Some(column) = e.column {
            p = p.with("column", column);
        }
        p.with("file", e.file)
    }
}

impl From<tribute_core::schema::SchemaError> for Problem {
    fn from(e: tribute_core::schema::SchemaError) -> Self {
        Problem::new(Reason::BadSchema, e.to_string())
    }
}

impl From<tribute_core::layout::LayoutError> for Problem {
    fn from(e: tribute_core::layout::LayoutError) -> Self {
        Problem::new(Reason::BadProfile, e.to_string())
    }
}

impl From<tribute_core::schema::QueryError> for Problem {
    fn from(e: tribute_core::schema::QueryError) -> Self {
        Problem::new(Reason::BadQuery, e.to_string())
    }
}

/// An error with its causes.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_the_wire() {
        let p = Problem::new(Reason::BadRecord, "f.csv: row 3 is empty").with("row", 3).with("file", "f.csv");
        let status = Status::from(p.clone());
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(Problem::from_status(&status), Some(p));
    }

    /// What may pass is said with when to try again; what will not, without.
    #[test]
    fn what_is_unavailable_says_when_to_try_again() {
        let retry = |reason| Status::from(Problem::new(reason, "no")).get_details_retry_info();
        for reason in Reason::ALL {
            assert_eq!(retry(*reason).is_some(), reason.code() == Code::Unavailable, "{}", reason.text());
        }
    }

    /// However long the message and however odd its characters, a status fits the 8 KiB of metadata that clients accept.
    #[test]
    fn a_long_problem_is_cut() {
        let long = "`é` is beyond the range; ".repeat(1000);
        let problem = Problem::new(Reason::BadRecord, long.clone()).with("flags", long);
        let status = Status::from(problem);
        assert!(status.message().len() <= LONGEST && status.message().ends_with(CUT), "{}", status.message().len());
        let headers = status.into_http::<()>().into_parts().0.headers;
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes < 12_000, "{bytes}");
    }

    #[cfg(feature = "sqlx")]
    #[test]
    fn what_a_database_refuses_only_now_is_told_apart() {
        // a connection, a deadlock, memory, shutdown, SQLite's busy (with its kind) and locked
        for code in ["08006", "40P01", "40001", "53200", "57P01", "5", "517", "6"] {
            assert!(passes(code), "{code}");
        }
        // a full disk, a broken constraint, a missing table; SQLite's error, full and constraint
        for code in ["53100", "23505", "42P01", "1", "13", "1555", ""] {
            assert!(!passes(code), "{code}");
        }
    }

    #[test]
    fn every_reason_is_documented() {
        let page = include_str!("../../../proto/tribute/v1/errors.md");
        for reason in Reason::ALL {
            let row = format!("| `{}` | {:?} |", reason.text(), reason.code());
            assert!(page.contains(&row), "errors.md lacks {row}");
        }
    }
}
