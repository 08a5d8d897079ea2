//! Requests: any bytes decode or are rejected, and a decoded request has exactly one encoding to sign.

use prost::Message as _;
use tribute_proto::{v1, SignedRequest};

use super::fuzz;

fn auth() -> Option<v1::Auth> {
    Some(v1::Auth { signer: vec![0x11; 20], nonce: vec![0x22; 32], deadline: 1_800_000_000, signature: vec![0x33; 65] })
}

fn check<R: SignedRequest>(input: &[u8]) {
    let Ok(request) = R::decode(input) else { return };
    let again = R::decode(request.encode_to_vec().as_slice()).expect("a re-encoded request decodes");
    assert_eq!(again.encode_to_vec(), request.encode_to_vec());
    let mut unsigned = request.clone();
    *unsigned.auth_mut() = None;
    assert_eq!(unsigned.signed_bytes(), request.signed_bytes(), "the signature is not part of the signed bytes");
}

#[test]
fn requests() {
    let terms =
        v1::TrainingTerms { dataset_ids: vec![vec![1; 32], vec![2; 32]], lambda: 17_592_186_044, ..Default::default() };
    let voucher =
        v1::Voucher { session: vec![4; 32], version: 1, count: 7, transcript: vec![5; 32], signature: vec![6; 65] };
    let seeds = vec![
        v1::TrainAgentRequest {
            auth: auth(),
            work: Some(v1::TrainWork { terms: Some(terms), name: "digits".into() }),
            options: None,
        }
        .encode_to_vec(),
        v1::QueryRequest {
            auth: auth(),
            session: vec![4; 32],
            query: Some(v1::query_request::Query::Quantised(vec![8; 64])),
            salt: vec![9; 32],
            position: 6,
            voucher: Some(voucher),
        }
        .encode_to_vec(),
        v1::WatchJobRequest { auth: auth(), job: "7".into(), after: 3 }.encode_to_vec(),
    ];
    fuzz("request", &seeds, 20_000, |input| {
        check::<v1::RegisterDatasetRequest>(input);
        check::<v1::TrainAgentRequest>(input);
        check::<v1::ImportAgentRequest>(input);
        check::<v1::QueryRequest>(input);
        check::<v1::SubmitVoucherRequest>(input);
        check::<v1::SubmitBatchRequest>(input);
        check::<v1::WatchJobRequest>(input);
    });
}
