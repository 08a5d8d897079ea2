//! Calls: any text is an authorization with that one text or is refused, and any bytes decode or are refused.

use prost::Message;
use tribute_client::signing::Authorization;
use tribute_proto::v1;

use super::fuzz;

#[test]
fn authorizations() {
    let header = "Tribute signer=0x1111111111111111111111111111111111111111,server=tribute.example:443,length=120,\
        sha256=2222222222222222222222222222222222222222222222222222222222222222,\
        nonce=3333333333333333333333333333333333333333333333333333333333333333,deadline=1800000000,signature=";
    let seed = format!("{header}{}", "44".repeat(65));
    assert!(Authorization::parse(&seed).is_ok());
    fuzz("authorization", &[seed.into_bytes()], 20_000, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(read) = Authorization::parse(text) {
            assert_eq!(read.header(), text, "one authorization, one text");
        }
    });
}

fn check<R: Message + Default>(input: &[u8]) {
    let Ok(request) = R::decode(input) else { return };
    let again = R::decode(request.encode_to_vec().as_slice()).expect("a re-encoded request decodes");
    assert_eq!(again.encode_to_vec(), request.encode_to_vec());
}

#[test]
fn requests() {
    let terms =
        v1::TrainingTerms { dataset_ids: vec![vec![1; 32], vec![2; 32]], lambda: 17_592_186_044, ..Default::default() };
    let voucher =
        v1::Voucher { session: vec![4; 32], version: 1, count: 7, transcript: vec![5; 32], signature: vec![6; 65] };
    let seeds = vec![
        v1::TrainAgentRequest {
            work: Some(v1::TrainWork { terms: Some(terms), name: "digits".into(), start: vec![3; 32] }),
            options: None,
        }
        .encode_to_vec(),
        v1::QueryRequest {
            session: vec![4; 32],
            query: Some(v1::query_request::Query::Quantised(vec![8; 64])),
            salt: vec![9; 32],
            position: 6,
            voucher: Some(voucher),
        }
        .encode_to_vec(),
        v1::WatchJobRequest { job: "7".into(), after: 3 }.encode_to_vec(),
        v1::UploadChunk { data: vec![7; 100] }.encode_to_vec(),
    ];
    fuzz("request", &seeds, 20_000, |input| {
        check::<v1::RegisterDatasetRequest>(input);
        check::<v1::TrainAgentRequest>(input);
        check::<v1::ImportAgentRequest>(input);
        check::<v1::QueryRequest>(input);
        check::<v1::SubmitVoucherRequest>(input);
        check::<v1::SubmitBatchRequest>(input);
        check::<v1::WatchJobRequest>(input);
        check::<v1::LoginRequest>(input);
        check::<v1::UploadChunk>(input);
    });
}
