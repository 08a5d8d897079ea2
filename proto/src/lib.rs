//! Tribute's gRPC contract: the code generated from `tribute/v1/*.proto`, and the list of signed requests.

/// Package `tribute.v1`: messages, clients and servers. They are documented in the proto files.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("tribute.v1");
}

/// The compiled descriptors of `tribute.v1`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// A request that carries its sender's signature in the field `auth`.
pub trait SignedRequest: prost::Message + Clone + Default {
    /// Full gRPC path of the call that takes this request. It is part of what is signed.
    const METHOD: &'static str;
    /// The signature, if present.
    fn auth(&self) -> Option<&v1::Auth>;
    /// The field that holds the signature.
    fn auth_mut(&mut self) -> &mut Option<v1::Auth>;

    /// The bytes whose sha256 is signed: the request's encoding without its signature.
    fn signed_bytes(&self) -> Vec<u8> {
        let mut unsigned = self.clone();
        *unsigned.auth_mut() = None;
        unsigned.encode_to_vec()
    }
}

macro_rules! signed {
    ($($request:ident => $service:literal / $call:literal;)*) => {$(
        impl SignedRequest for v1::$request {
            const METHOD: &'static str = concat!("/tribute.v1.", $service, "/", $call);
            fn auth(&self) -> Option<&v1::Auth> {
                self.auth.as_ref()
            }
            fn auth_mut(&mut self) -> &mut Option<v1::Auth> {
                &mut self.auth
            }
        }
    )*};
}

signed! {
    RegisterDatasetRequest => "DatasetService" / "RegisterDataset";
    CheckRecordsRequest => "DatasetService" / "CheckRecords";
    InferSchemaRequest => "DatasetService" / "InferSchema";
    GetDatasetRequest => "DatasetService" / "GetDataset";
    ListDatasetsRequest => "DatasetService" / "ListDatasets";
    GrantTrainingRequest => "DatasetService" / "GrantTraining";
    ShowRecordRequest => "DatasetService" / "ShowRecord";
    TrainAgentRequest => "AgentService" / "TrainAgent";
    ImportAgentRequest => "AgentService" / "ImportAgent";
    GetAgentRequest => "AgentService" / "GetAgent";
    ListAgentsRequest => "AgentService" / "ListAgents";
    ProveGradientsRequest => "AgentService" / "ProveGradients";
    ProveOptimumRequest => "AgentService" / "ProveOptimum";
    GetCertificateRequest => "AgentService" / "GetCertificate";
    EvaluateAgentRequest => "AgentService" / "EvaluateAgent";
    OpenSessionRequest => "SessionService" / "OpenSession";
    GetSessionRequest => "SessionService" / "GetSession";
    QueryRequest => "SessionService" / "Query";
    SubmitVoucherRequest => "SessionService" / "SubmitVoucher";
    ProveServiceRequest => "SessionService" / "ProveService";
    PrepareCircuitsRequest => "CircuitService" / "PrepareCircuits";
    SubmitRequest => "JobService" / "Submit";
    SubmitBatchRequest => "JobService" / "SubmitBatch";
    GetJobRequest => "JobService" / "GetJob";
    ListJobsRequest => "JobService" / "ListJobs";
    WaitJobRequest => "JobService" / "WaitJob";
    WatchJobRequest => "JobService" / "WatchJob";
    CancelJobRequest => "JobService" / "CancelJob";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_no_part_of_what_is_signed() {
        let bare = v1::GetJobRequest { auth: None, job: "7".into() };
        let mut signed = bare.clone();
        signed.auth = Some(v1::Auth { nonce: vec![1; 32], ..Default::default() });
        assert_eq!(bare.signed_bytes(), signed.signed_bytes());
        signed.job = "8".into();
        assert_ne!(bare.signed_bytes(), signed.signed_bytes());
    }
}
