//! Tribute's gRPC contract: the code generated from `tribute/v1/*.proto`, and who may make which call.

/// Package `tribute.v1`: messages, clients and servers. They are documented in the proto files.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("tribute.v1");
}

/// The compiled descriptors of `tribute.v1`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Who may make a call: `Access` of the proto files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// An account that has logged in, or a program with a key of it.
    Read,
    /// An account that signs the message.
    Signed,
}

/// What an rpc's option `call` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its gRPC path, such as `/tribute.v1.JobService/Submit`.
    pub path: &'static str,
    /// Who may make it.
    pub access: Access,
    /// Most bytes of one message from the client.
    pub limit: u32,
    /// Whether the client sends a stream of messages.
    pub streams: Streams,
    /// Whether a key that only watches jobs is enough.
    pub watcher: bool,
}

/// Whether a call's client sends a stream of messages, and what it signs then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// It sends one message, and signs that.
    No,
    /// A stream that is answered at its end: it signs the whole.
    Whole,
    /// A stream that is answered message by message: it signs the first.
    Each,
}

/// Every call of `tribute.v1`.
pub const CALLS: &[Call] = include!(concat!(env!("OUT_DIR"), "/calls.rs"));

/// The call of a gRPC path.
#[must_use]
pub fn call(path: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.path == path)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn every_rpc_says_who_may_call_it() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let ours = set.file.iter().filter(|file| file.package() == "tribute.v1");
        let paths: Vec<String> = ours
            .flat_map(|file| &file.service)
            .flat_map(|service| service.method.iter().map(|m| format!("/tribute.v1.{}/{}", service.name(), m.name())))
            .collect();
        assert_eq!(paths.len(), CALLS.len());
        for path in &paths {
            assert!(call(path).is_some(), "{path}");
        }
        // what anybody may call is few, and named here
        let open: Vec<&str> = CALLS.iter().filter(|c| c.access == Access::Public).map(|c| c.path).collect();
        assert_eq!(
            open,
            [
                "/tribute.v1.AuditService/CheckFile",
                "/tribute.v1.CircuitService/ListCircuits",
                "/tribute.v1.CircuitService/GetBytecode",
                "/tribute.v1.LoginService/GetChallenge",
                "/tribute.v1.LoginService/Login",
                "/tribute.v1.ServerService/GetServerInfo",
            ]
        );
        let watched: Vec<&str> = CALLS.iter().filter(|c| c.watcher).map(|c| c.path).collect();
        assert_eq!(
            watched,
            [
                "/tribute.v1.JobService/GetJob",
                "/tribute.v1.JobService/ListJobs",
                "/tribute.v1.JobService/WaitJob",
                "/tribute.v1.JobService/WatchJob",
                "/tribute.v1.LoginService/Logout",
            ]
        );
        assert!(CALLS.iter().all(|c| !c.watcher || c.access == Access::Read));
        let most = CALLS.iter().map(|c| c.limit).max();
        assert_eq!(most, Some(512 << 10));
    }
}
