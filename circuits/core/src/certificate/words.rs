//! What a file proves and what it does not, in words. Every file carries them; verification demands exactly these.

/// What is proven. The same number of sentences with and without a penalty on the bias; one more with a tree of sums.
#[must_use]
pub fn proven(reg_bias: bool, tree: bool) -> Vec<&'static str> {
    let mut sentences = vec![
        "Every dataset listed is committed in exactly the shards listed, well formed under the schema, and holds exactly the stated number of records; the proofs name its owner, its terms, the chain and the registry.",
        "Every gradient proof shows the exact gradient of the stated loss at the agent's committed weights over the committed records of its shard.",
        "Over the records of all these shards together, each once, and of no others, the 2-norm of the gradient of the mean loss with penalty lambda at the agent's weights is at most epsilon, plus the link tables' error delta.",
        if reg_bias {
            "So the weights are within (epsilon + delta)/lambda of the one optimum of that loss, delta being the proven worst case of the link's tables, and this is at most one thousandth of their own norm."
        } else {
            "So no change of the weights lowers that loss by more than (epsilon + delta) times the size of the change; the bias is not penalised, and shares and norm count the penalised weights only."
        },
        "A dataset's share is its exact additive part of these weights: the sum of its gradients' inner products with minus the weights, over n, lambda and the squared norm, rounded to 2^-20.",
    ];
    if tree {
        sentences.insert(2, "Every sum proof shows that its gradient is exactly the sum of those of its parts; the leaves of the tree are the shards listed, in order, each once.");
    }
    sentences
}

/// What is not. The same number of sentences either way.
#[must_use]
pub fn not_proven(reg_bias: bool) -> Vec<&'static str> {
    vec![
        "That the records are true, not copies of each other or of somebody else's, or were turned into features honestly.",
        "That a share measures a dataset's worth: rescaled or copied records change it.",
        if reg_bias {
            "That the agent answers well: nothing here states an accuracy."
        } else {
            "That the agent answers well, or how far its weights are from an optimum: without a penalty on the bias the optimum need not be unique."
        },
        "That the datasets are registered, their owners agreed, or the agent's version is certified on the chain named: ask that chain.",
        "That an answer you are given was computed with these weights, or that a given model file holds them: service proofs and the agent's digest are for that.",
        "Anything at all to someone who believes that the secret of the SRS is known; that of a development SRS is known to everyone.",
    ]
}

/// What an evaluation proves beside its certificate.
#[must_use]
pub fn evaluation_proven() -> Vec<&'static str> {
    vec![
        "All that the certificate in this file states of the agent.",
        "The dataset is committed in exactly the shards listed, well formed under the certificate's schema, and holds exactly the stated number of records; the proofs name its owner, its terms, the chain and the registry.",
        "The agent's committed weights give exactly the stated number of these records their own class: that of the largest logit, ties to the lower class. Every record of every shard is counted once.",
        "None of these shards is one that the certificate lists.",
    ]
}

/// What it does not.
#[must_use]
pub fn evaluation_not_proven() -> Vec<&'static str> {
    vec![
        "That none of these records, committed once more, stands in a dataset that the agent was trained on, or that its owner has not seen them.",
        "That the records are true, were chosen fairly, or are like those that the agent will meet.",
        "That no other evaluations were made and kept back: the best of many says little.",
        "That the dataset is registered or its owner agreed: ask the chain named.",
        "Anything at all to someone who believes that the secret of the SRS is known; that of a development SRS is known to everyone.",
    ]
}
