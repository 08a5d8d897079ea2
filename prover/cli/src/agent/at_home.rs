//! Evaluation at the node that has the dataset.

use tribute_client::{problem, Client};
use tribute_core::digest::dataset_id;
use tribute_core::id::{DatasetId, ShardDigest};
use tribute_core::schema::Schema;
use tribute_problem::{field, Problem, Result};
use tribute_proto::v1;
use tribute_steps::shape::Profile;

use super::EvaluateArgs;
use crate::agent_results::evaluation_of;
use crate::progress;
use crate::request::{connect, named};

/// Has a node prove the agent's accuracy on a dataset there. The weights are lent to it once it has said that it would.
pub(super) async fn evaluate(own: &Client, url: &str, a: &EvaluateArgs) -> Result<v1::EvaluationOutcome> {
    let at_node = |status| named(url, problem(status));
    let node = connect(url, &a.server).await?;
    let describe = v1::DescribeDatasetRequest { dataset_id: a.dataset.to_vec() };
    let dataset = node.trainings().describe_dataset(describe).await.map_err(at_node)?.into_inner();
    let shards = shards_of(a.dataset, &dataset).map_err(|p| named(url, p))?;
    let get = v1::GetCertificateRequest { weights_digest: a.weights.to_vec() };
    let certificate = own.agents().get_certificate(get).await.map_err(problem)?.into_inner().certificate_json;
    let check = v1::EvaluateAtHomeRequest {
        dataset_id: a.dataset.to_vec(),
        certificate_upload: node.upload(certificate).await.map_err(|p| named(url, p))?,
        weights_upload: Vec::new(),
        blinding: Vec::new(),
        options: None,
        lending: a.lending,
    };
    node.trainings().evaluate_at_home(check.clone()).await.map_err(at_node)?;
    let lend = v1::LendWeightsRequest {
        weights_digest: a.weights.to_vec(),
        dataset_id: a.dataset.to_vec(),
        shards,
        lending: a.lending,
    };
    let lent = own.trainings().lend_weights(lend).await.map_err(problem)?.into_inner();
    let request = v1::EvaluateAtHomeRequest {
        weights_upload: node.upload(lent.weights).await.map_err(|p| named(url, p))?,
        blinding: lent.blinding,
        options: a.job.message(&node),
        ..check
    };
    let job = node.trainings().evaluate_at_home(request).await.map_err(at_node)?.into_inner().job.unwrap_or_default();
    progress::finish(&node, "evaluation", &job).await.and_then(evaluation_of).map_err(|p| named(url, p))
}

/// The number of shards of a dataset, of which openings of the weights follow. The id is recomputed from what the node says.
fn shards_of(id: DatasetId, described: &v1::Dataset) -> Result<u32> {
    let json = std::str::from_utf8(&described.schema_json).map_err(|e| Problem::field("schema", e.to_string()))?;
    let schema = Schema::from_json(json).map_err(|e| Problem::field("schema", e.to_string()))?;
    let profile = described.profile.unwrap_or_default();
    let (k, columns, intercept_scale) = (profile.k, profile.columns as usize, profile.intercept_scale);
    let layout = Profile { k, columns, intercept_scale }.layout(&schema)?;
    let digests: Vec<ShardDigest> =
        described.shards.iter().map(|s| field("shard.digest", &s.digest)).collect::<Result<_>>()?;
    if dataset_id(&schema.id(), &layout.hash(), described.records, &digests) != id {
        let text = format!("the schema, records and shards that the node describes are not those of dataset {id}");
        return Err(Problem::field("dataset", text));
    }
    Ok(digests.len() as u32)
}

#[cfg(test)]
mod tests {
    use tribute_core::schema::{Feature, Target};

    use super::*;

    #[test]
    fn a_node_invents_no_shards() {
        let feature = |i| Feature { name: format!("f{i}"), lo: 0.0, hi: 1.0 };
        let classes = Target::Classes(vec!["no".into(), "yes".into()]);
        let schema = Schema::new("a test".into(), (0..4).map(feature).collect(), classes, None).unwrap();
        let columns = schema.fitting_columns();
        let layout = Profile { k: 14, columns, intercept_scale: 0 }.layout(&schema).unwrap();
        let digests = [ShardDigest::new([1; 32]), ShardDigest::new([2; 32])];
        let id = dataset_id(&schema.id(), &layout.hash(), 60, &digests);
        let shard = |byte| v1::Shard { digest: vec![byte; 32], ..Default::default() };
        let described = v1::Dataset {
            schema_json: schema.canonical().into_bytes(),
            profile: Some(v1::Profile { k: 14, columns: columns as u32, intercept_scale: 0 }),
            records: 60,
            shards: vec![shard(1), shard(2)],
            ..Default::default()
        };
        assert_eq!(shards_of(id, &described).unwrap(), 2);
        for shards in [vec![shard(1)], vec![shard(2), shard(1)], vec![shard(1), shard(2), shard(3)]] {
            let refused = shards_of(id, &v1::Dataset { shards, ..described.clone() }).unwrap_err();
            assert!(refused.message.contains("are not those of dataset"), "{refused}");
        }
        let refused = shards_of(id, &v1::Dataset { records: 61, ..described }).unwrap_err();
        assert!(refused.message.contains("are not those of dataset"), "{refused}");
    }
}
