//! The dilution fraud: the agent's owner lists a dataset of its own beside the providers', with random features labelled by
//! the agent itself. It costs nothing, changes no useful answer, and would take most of the fees for data. All its proofs are
//! valid; only the least share that each provider signed stops it.

use futures::future::try_join_all;
use sha2::{Digest as _, Sha256};
use tokio::try_join;
use tribute_core::head::answer;
use tribute_core::link::Link;
use tribute_core::schema::{Schema, Target};
use tribute_inference::Agent as Model;
use tribute_problem::{Problem, Result};

use super::files::{Agent, Certified, Dataset, Optimum};
use super::frauds::{Bounced, Dilution};
use super::life::{Life, Version};
use super::steps::Failure;

/// Part of its current share that a provider insists on, in percent.
const KEPT: f64 = 90.0;
/// Number of versions that each provider grants.
const USES: &str = "2";

/// Least shares, in basis points, for providers who currently have these shares.
pub(super) fn least_shares(shares: &[f64]) -> Vec<u16> {
    shares.iter().map(|share| (share * KEPT * 100.0) as u16).collect()
}

/// An agent that was also trained on the owner's dataset.
pub(super) struct Diluted {
    dataset: String,
    agent: Agent,
}

/// Random records, labelled by the agent, as CSV without a header.
fn self_labelled(rows: usize, schema: &Schema, model: &Model) -> Result<String> {
    let Target::Classes(labels) = schema.target() else {
        return Err(Problem::internal("the demo needs an agent that predicts classes"));
    };
    let mut text = String::new();
    for row in 0..rows {
        let blocks = schema.features().len().div_ceil(32);
        let random = (0..blocks).flat_map(|b| <[u8; 32]>::from(Sha256::digest(format!("self-labelled {row} {b}"))));
        let steps: Vec<u8> = random.take(schema.features().len()).collect();
        for (feature, step) in schema.features().iter().zip(&steps) {
            let value = feature.lo + (feature.hi - feature.lo) * f64::from(*step) / 255.0;
            text += &format!("{},", value.min(feature.hi));
        }
        let label = labels.get(usize::from(answer(&model.weights.logits(&steps))));
        text += label.ok_or_else(|| Problem::internal("the agent answers with a class that its schema lacks"))?;
        text.push('\n');
    }
    Ok(text)
}

impl Life<'_> {
    /// Each provider learns its share in the agent and grants two versions that give it at least nine tenths of that.
    pub(super) async fn consent(&self, datasets: &[Dataset], agent: &Agent) -> Result<Vec<u16>, Failure> {
        let owner = self.stage.parties.owner.address().to_string();
        let owner = &owner;
        let least = least_shares(&agent.shares);
        let about = "versions granted, each provider with a least share";
        self.steps
            .run("least shares", about, datasets.len() as u64, |bar| async move {
                let (bar, providers) = (&bar, &self.stage.parties.providers);
                try_join_all(providers.iter().zip(datasets).zip(&least).map(|((who, dataset), least)| async move {
                    let (id, least) = (dataset.dataset_id.to_string(), least.to_string());
                    let terms = ["--uses", USES, "--min-share-bps", &least, "--link", self.plan.link()];
                    let args = [&["chain", "grant", &id, "--to", owner][..], &terms].concat();
                    self.stage.shell.run(Some(who), &args).await?;
                    bar.done(&who.name);
                    Ok::<_, Problem>(())
                }))
                .await?;
                Ok(least)
            })
            .await
    }

    /// The owner's dataset, an agent also trained on it, and that agent's gradients, all committed and proven as usual. `None`
    /// under the squared link: there random rows contribute negatively, so the version could not be certified anyway.
    pub(super) async fn dilute(&self, datasets: &[Dataset]) -> Result<Option<Diluted>, Failure> {
        if self.plan.link() == Link::Squared.name() {
            return Ok(None);
        }
        self.steps
            .run("diluted agent", "fraud: random rows labelled by the agent, trained on, proven", 4, |bar| async move {
                let owner = &self.stage.parties.owner;
                let schema = std::fs::read_to_string(self.at("schema.json"))?;
                let schema = Schema::from_json(&schema).map_err(Problem::internal)?;
                let model = Model::from_bytes(&std::fs::read(self.at("agent.onnx"))?).map_err(Problem::internal)?;
                // as many rows as all providers have, but at most one shard
                let capacity = schema.layout(self.plan.k, self.plan.columns)?.capacity();
                let rows = self.plan.split.iter().sum::<usize>().min(capacity);
                std::fs::write(self.at("data/self-labelled.csv"), self_labelled(rows, &schema, &model)?)?;
                bar.done("labelled");
                let (csv, out) = ("data/self-labelled.csv", "steps/self-labelled.json");
                let own = self.dataset(owner, csv, out, &["--no-header"]).await?;
                bar.done("dataset");
                let ids = datasets.iter().chain([&own]).map(|d| d.dataset_id);
                let agent = self.trained(ids, "diluted", &["--out", "steps/diluted.json"]).await?;
                bar.done("agent");
                let digest = agent.weights_digest.to_string();
                let args = ["agent", "prove-gradients", &digest, "--out", "steps/diluted-gradients.json"];
                self.stage.shell.run(Some(owner), &args).await?;
                Ok(Some(Diluted { dataset: out.into(), agent }))
            })
            .await
    }

    /// Takes the diluted version up to certification, which must fail. `honest` is its twin, certified under the same grants.
    pub(super) async fn shares_diluted(
        &self,
        version: &Version,
        diluted: &Diluted,
        least: Vec<u16>,
        honest: &Certified,
    ) -> Result<Dilution, Failure> {
        self.steps
            .run(
                "shares_diluted",
                "diluted version rejected: it gives less than the least shares",
                4,
                |bar| async move {
                    let (shell, owner) = (&self.stage.shell, Some(&self.stage.parties.owner));
                    shell.run(owner, &["chain", "register-dataset", &diluted.dataset]).await?;
                    bar.done("registered");
                    let number = self.proposed(&version.agent_id, "steps/diluted.json").await?;
                    let second = Version { agent_id: version.agent_id.clone(), number };
                    bar.done("proposed");
                    let file = "steps/diluted-gradients.json";
                    let out = "steps/diluted-optimum.json";
                    let (_, optimum): (_, Optimum) = try_join!(
                        self.gradients_brought(&second, file),
                        self.optimum_of(&second, &diluted.agent, out)
                    )?;
                    bar.done("gradients and optimum");
                    let agent_id = second.agent_id.parse().map_err(Problem::internal)?;
                    let bounced = self.stage.shares_diluted(&agent_id, number, &optimum.proof.proof()).await?;
                    let shares = diluted.agent.shares.clone();
                    Ok(Dilution { least, shares, bounced: Bounced { twin: honest.tx.tx, ..bounced } })
                },
            )
            .await
    }
}

#[cfg(test)]
mod tests {
    use tribute_core::head::Weights;
    use tribute_core::schema::Feature;
    use tribute_records::{Options, Source};

    use super::*;

    #[test]
    fn random_rows_read_back_as_the_steps_and_answers_that_they_were_made_of() {
        let features = (0..40).map(|i| Feature { name: format!("f{i}"), lo: -0.1 * f64::from(i), hi: 7.3 });
        let labels = ["no", "yes", "perhaps"].map(str::to_owned).to_vec();
        let schema = Schema::new("t".into(), features.collect(), Target::Classes(labels), None).unwrap();
        let values = (0..41 * 3).map(|i: i64| (i * 7919 % 201 - 100) << 20).collect();
        let model =
            Model { weights: Weights::new(40, 3, values).unwrap(), schema: String::new(), certificate: String::new() };
        let text = self_labelled(300, &schema, &model).unwrap();
        let options = Options { header: Some(false), ..Options::default() };
        let source = Source::from_bytes("t.csv", text.into_bytes(), &options).unwrap();
        let records = source.records(&schema, &options).unwrap().into_records().unwrap();
        assert_eq!(records.len(), 300);
        for (steps, target) in records.iter() {
            assert_eq!(answer(&model.weights.logits(steps)), target);
        }
        let seen = |step| records.iter().any(|(steps, _)| steps.contains(&step));
        assert!((0..=255).all(seen), "every step occurs");
    }

    #[test]
    fn least_shares_are_nine_tenths() {
        assert_eq!(least_shares(&[0.5, 0.123_456, 0.0]), [4500, 1111, 0]);
    }
}
