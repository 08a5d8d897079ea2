//! Plain-language statements of what a file proves and what it does not. Every file contains them, and verification
//! requires them verbatim.

/// What a certificate proves.
#[must_use]
pub fn proven() -> Vec<&'static str> {
    vec![
        "Every dataset listed is committed in exactly the shards listed, well formed under the schema, and holds exactly the stated number of records; the proofs name who owned it when each shard was added, its terms, the chain and the registry.",
        "Every gradient proof shows the exact gradient of the stated loss at the agent's committed weights over the committed records of its shard, and its contribution: that gradient's inner product with minus the weights, rounded down to a unit.",
        "The commitments to these gradients sum to the one in the optimum proof: over the records of all these shards together, each once, and of no others, the 2-norm of the gradient of the mean loss with penalty lambda at the agent's weights is at most epsilon, plus the error delta of the link's tables and of rounding.",
        "So the weights are within (epsilon + delta)/lambda of the one optimum of that loss, which is at most one thousandth of their own norm, and their loss exceeds the optimum's by at most (epsilon + delta)^2/(2 lambda).",
        "The contributions sum to n lambda times the weights' squared norm, up to the residual and rounding. A dataset's share is its positive contribution over the sum of all positive ones; negative ones are at most one part in 1024 of the sum, and no share is below the least that its dataset's terms ask for.",
    ]
}

/// What a certificate does not prove.
#[must_use]
pub fn not_proven() -> Vec<&'static str> {
    vec![
        "That the records are true, not copies of each other or of somebody else's, or were turned into features honestly.",
        "That a share measures a dataset's worth: rescaled or copied records change it.",
        "That the agent answers well: nothing here states an accuracy.",
        "That the datasets are registered, belonged to whom their shards name, whose they are now, that their owners agreed, or the agent's version is certified on the chain named: ask that chain.",
        "That an answer you are given was computed with these weights, or that a given model file holds them: service proofs and the agent's digest are for that.",
        "Anything at all to someone who believes that the secret of the SRS is known; that of a development SRS is known to everyone.",
    ]
}

/// What an evaluation proves in addition to its certificate.
#[must_use]
pub fn evaluation_proven() -> Vec<&'static str> {
    vec![
        "All that the certificate in this file states of the agent.",
        "The dataset is committed in exactly the shards listed, well formed under the certificate's schema, and holds exactly the stated number of records; the proofs name who owned it when each shard was added, its terms, the chain and the registry.",
        "The agent's committed weights give exactly the stated number of these records their own class: that of the largest logit, ties to the lower class. Every record of every shard is counted once.",
        "Their loss over these records, of the certificate's kind (softmax: the log-sum-exp of the logits less the class's own; logistic: that of every class against zero; squared: the squared distances from the classes), is the stated one in units of 2^-20, up to the link's error of less than 2^-34 per record (logistic: and per class), and rounding down, once in every shard.",
        "None of these shards is one that the certificate lists.",
    ]
}

/// What an evaluation does not prove.
#[must_use]
pub fn evaluation_not_proven() -> Vec<&'static str> {
    vec![
        "That none of these records, committed once more, stands in a dataset that the agent was trained on, or that its owner has not seen them.",
        "That the records are true, were chosen fairly, or are like those that the agent will meet.",
        "That no other evaluations were made and kept back: the best of many says little.",
        "That the dataset is registered, belonged to whom its shards name, whose it is now, or that its owner agreed: ask the chain named.",
        "Anything at all to someone who believes that the secret of the SRS is known; that of a development SRS is known to everyone.",
    ]
}
