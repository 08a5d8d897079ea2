//! What a valuation proves and what it does not, in plain language.

use super::shapley::{EXACT_PLAYERS, MAX_PLAYERS};

/// What a valuation proves in addition to its certificate.
#[must_use]
pub fn proven() -> Vec<&'static str> {
    vec![
        "All that the certificate in this file states of the agent.",
        "The test set is a dataset like any other: committed in exactly the shards listed, well formed under the certificate's schema, with exactly the stated number of records; the proofs name who owned it when each shard was added, its terms, the chain and the registry. No account named there is named for a shard of the datasets valued, and none of its shards is one of theirs.",
        "For every coalition listed, the committed weights minimise the certificate's loss, with its link and lambda, over exactly the datasets of its owners, within the distance that certificates allow; the proofs name the agent's version and the coalition. The coalition of all owners is the agent itself.",
        "Each coalition's loss over the test set is the stated one in units of 2^-20, and it gives exactly the stated number of records their own class.",
        "The values follow from these losses: without sampling they are the owners' exact Shapley values. With sampling they are estimates: what an owner adds as the first or second is averaged over all coalitions of up to two, what it adds later over orders that the beacon draws; the half-width is t times the largest standard error of any owner's mean over these orders, with Student's quantile for 0.05 divided by twice the number of owners. They sum to the agent's loss below that of the uniform answer. How far they can be from the values of the exact optima is stated.",
    ]
}

/// What a valuation does not prove.
#[must_use]
pub fn not_proven() -> Vec<&'static str> {
    vec![
        "That the test set is fair: whoever chose its records chose what data is worth. A value is worth to this test set, for this link and lambda.",
        "That no records of the test set, committed once more, stand in one of the datasets.",
        "That owners are different people: copies share a value, and one who lists a copy under a second account gets more: beside two others nearly a half for both accounts together, instead of a third.",
        "That data was gathered: records made up with the agent's help have some value too.",
        "That coalitions stayed with the service that proved them. This file reveals a loss and a count of right answers for each of them; whoever trains one holds its weights, and those of a single owner are a model of that owner's data alone.",
        "That estimates from sampling are within their half-widths of the exact values: for all owners together this holds with 95 %, by a normal approximation of means over the orders. Coalitions that no order came by may hold what changes a value.",
        "That the beacon was unknown when datasets, test set, lambda and the number of permutations were committed, and that no other valuation was made and kept back: ask the chain named.",
        "That the test set and the datasets are registered, belonged to whom their shards name or belong to them now, or that the test set's owner agreed to its use: ask the chain named.",
        "Anything at all to someone who believes that the secret of the SRS is known; that of a development SRS is known to everyone.",
    ]
}

/// Why a valuation is refused whose beacon nobody drew.
pub(super) const NO_BEACON: &str = "is all zeros, which is what the chain says as long as nobody has fixed a beacon";

/// Why a valuation without sampling is refused.
pub(super) fn sampling_needed(owners: usize) -> String {
    format!(
        "{owners} owners: up to {EXACT_PLAYERS} every coalition is trained, beyond, up to {MAX_PLAYERS}, permutations are drawn by a beacon"
    )
}
