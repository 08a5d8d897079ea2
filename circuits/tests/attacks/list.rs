//! The attacks that must be tried, and where each one is; the gates that need no attack.

/// Where an attack is tried.
pub(crate) enum Place {
    /// In this test, under this name.
    Here(&'static str),
    /// In another file of the repository, in the test of this name; no circuit is involved.
    There(&'static str, &'static str),
}

use Place::{Here, There};

const CERTIFICATE: &str = "verifier-contract/test/CertificateAttacks.t.sol";
const AGENTS: &str = "verifier-contract/test/AgentRegistry.t.sol";
const SERVICE: &str = "verifier-contract/test/ServiceAttacks.t.sol";
const DATASET: &str = "verifier-contract/test/DatasetRegistry.t.sol";
const GATE: &str = "verifier-contract/test/ProofGateFixtures.t.sol";

/// All attacks that must be tried, in order.
pub(crate) const ATTACKS: &[(&str, &[Place])] = &[
    // product and lookups
    ("forged product", &[Here("forged_product"), Here("answer_by_other_logits")]),
    ("fixed challenge", &[Here("fixed_challenge")]),
    ("vector committed late", &[Here("vector_committed_late")]),
    ("zero table tuple", &[Here("zero_table_tuple")]),
    ("helper filled on an idle row", &[Here("helper_on_idle_row")]),
    (
        "256 in each column in turn",
        &[Here("256_in_column_0"), Here("256_in_column_1"), Here("256_in_column_2"), Here("feature_256")],
    ),
    ("salt row read", &[Here("salt_row_read")]),
    ("unqueried committed column", &[There("circuits/tests/attacks/columns.rs", "fn unqueried_committed_column")]),
    // link
    ("logit max too high", &[Here("logit_max_too_high"), Here("logistic_shift_too_high")]),
    (
        "sum of probabilities beyond the window",
        &[Here("window_limb_out_of_range"), Here("short_window_limb_out_of_range")],
    ),
    ("short limb of a logit out of range", &[Here("short_limb_of_a_logit_out_of_range")]),
    (
        "saturation flag",
        &[Here("saturation_flag"), Here("logistic_saturation_flag"), Here("logistic_saturation_flag_of_the_other")],
    ),
    // data
    ("wrong label", &[Here("wrong_label")]),
    ("record slipped in or dropped", &[Here("record_slipped_in"), Here("record_dropped")]),
    (
        "dataset of another owner, contract or chain",
        &[
            Here("dataset_of_another_owner_contract_or_chain"),
            There(DATASET, "test_Attack_DatasetOfAnotherContract"),
            There(DATASET, "test_Attack_DatasetOfAnotherChain"),
        ],
    ),
    ("registration copied from the mempool", &[There(DATASET, "test_Attack_RegistrationCopiedFromTheMempool")]),
    ("d = 60 read as 64", &[Here("d_60_read_as_64"), There(DATASET, "test_Attack_SixtyFeaturesReadAsSixtyFour")]),
    // contribution
    (
        "N of other units",
        &[
            Here("contribution_too_high"),
            Here("contribution_too_low"),
            Here("remainder_below_zero"),
            Here("remainder_of_a_unit_and_more"),
        ],
    ),
    (
        "N shifted by a fraction of the field",
        &[
            Here("contribution_shifted_by_a_fraction"),
            There(
                "circuits/tests/attacks/contribution.rs",
                "fn contributions_beyond_the_limit_are_the_verifiers_business",
            ),
            There(
                "circuits/core/src/certificate/contributions.rs",
                "fn a_contribution_shifted_by_a_fraction_is_no_number",
            ),
        ],
    ),
    (
        "poles that activities cancel",
        &[
            Here("remainder_of_equal_limbs"),
            Here("remainder_of_opposite_limbs"),
            Here("remainder_with_a_long_top_limb"),
        ],
    ),
    ("N of other weights", &[Here("contribution_of_other_weights")]),
    (
        "salts of weights and gradients read",
        &[
            Here("salt_above_the_weights_read"),
            Here("salt_below_the_weights_read"),
            Here("salts_counted_as_a_contribution"),
            Here("salt_of_the_sum_read"),
            Here("salt_of_the_weights_read"),
        ],
    ),
    // optimum
    (
        "residual that is not the sum's",
        &[
            Here("residual_off_by_one"),
            Here("rounded_residual_off_by_one"),
            Here("residual_of_fewer_shards"),
            Here("sum_beyond_integers"),
            Here("weights_sum_changed"),
        ],
    ),
    ("norm too large", &[Here("norm_too_large"), Here("norm_bound_out_of_range")]),
    ("λ changed", &[Here("lambda_changed")]),
    (
        "weight out of range",
        &[
            Here("weight_out_of_range"),
            Here("weight_with_a_long_top_limb"),
            Here("weight_with_a_top_limb_out_of_range"),
        ],
    ),
    // certificate
    (
        "n off by one",
        &[Here("n_off_by_one"), Here("optimum_n_off_by_one"), There(CERTIFICATE, "test_Attack_NOffByOne")],
    ),
    ("shard twice", &[There(CERTIFICATE, "test_Attack_ShardTwiceInTheSum"), There(AGENTS, "test_Attack_DatasetTwice")]),
    ("a shard left out", &[There(CERTIFICATE, "test_Attack_ShardLeftOut")]),
    (
        "a sum that is not the gradients'",
        &[
            There("circuits/core/src/certificate/contributions.rs", "fn the_sum_is_of_every_gradient_once"),
            There(CERTIFICATE, "test_Attack_GradientOfOneShardForTheSum"),
            There(CERTIFICATE, "test_Attack_GradientsThatSumToNothing"),
        ],
    ),
    (
        "ε over the cap",
        &[
            Here("epsilon_too_small"),
            Here("epsilon_bound_out_of_range"),
            There(CERTIFICATE, "test_Attack_EpsilonOverTheCap"),
        ],
    ),
    ("G of another link", &[Here("g_of_another_link"), There(AGENTS, "test_RevertWhen_CircuitHasAnotherLink")]),
    (
        "weights changed after training",
        &[Here("weights_changed_after_training"), There(CERTIFICATE, "test_Attack_WeightsChangedAfterTraining")],
    ),
    // evaluation
    (
        "counts that are not the shard's",
        &[
            Here("evaluation_count_too_high"),
            Here("evaluation_count_too_low"),
            Here("evaluation_records_too_few"),
            Here("evaluation_counts_exchanged"),
            Here("evaluation_absent_record_counted"),
            Here("evaluation_answer_counted_twice"),
        ],
    ),
    (
        "loss that is not the shard's",
        &[
            Here("evaluation_loss_too_high"),
            Here("evaluation_loss_too_low"),
            Here("evaluation_remainder_below_zero"),
            Here("evaluation_remainder_of_a_unit_and_more"),
            Here("evaluation_loss_shifted_by_a_fraction"),
            Here("evaluation_losses_of_a_record_changed"),
            There("verifier-contract/test/Evaluations.t.sol", "test_Attack_ImpossibleLoss"),
        ],
    ),
    ("loss of other logits", &[Here("evaluation_loss_of_other_logits")]),
    ("tie resolved wrongly", &[Here("evaluation_tie_resolved_wrongly")]),
    ("accuracy of other weights", &[Here("evaluation_of_other_weights")]),
    ("accuracy on other records", &[Here("evaluation_on_other_records")]),
    ("accuracy under another layout", &[Here("evaluation_under_another_layout")]),
    // service
    ("answer not the agent's", &[Here("answer_not_the_agents"), Here("answer_beside_the_maximum")]),
    ("receipt replayed", &[Here("receipt_replayed")]),
    ("receipt reordered", &[Here("receipt_reordered")]),
    ("receipt dropped", &[Here("receipt_dropped")]),
    ("receipt counted twice", &[Here("receipt_counted_twice"), Here("count_from_another_history")]),
    ("slots swapped", &[Here("slots_swapped"), There(SERVICE, "test_Attack_SlotsSwapped")]),
    ("session twice in one claim", &[There(SERVICE, "test_ASessionTwiceIsPaidStretchByStretch")]),
    (
        "voucher of another session or version",
        &[There(SERVICE, "test_Attack_VoucherOfAnotherSession"), There(SERVICE, "test_Attack_VoucherOfAnotherVersion")],
    ),
    ("version 2 draining version 1", &[There(SERVICE, "test_Attack_Version2DrainingVersion1")]),
    ("wallet that stops honouring its key", &[There(SERVICE, "test_Attack_WalletThatStopsHonouringItsKey")]),
    // gate
    ("input + r", &[Here("input_plus_r"), There(GATE, "test_Attack_InputPlusR")]),
    (
        "every word of a proof altered",
        &[Here("every_word_altered"), There(GATE, "test_Attack_EveryWordOfAProofAltered")],
    ),
    ("verifier without code", &[There(GATE, "test_Attack_VerifierWithoutCode")]),
    (
        "new circuit of an old shape",
        &[
            There(SERVICE, "test_Attack_NewCircuitOfAnOldShape"),
            There(CERTIFICATE, "test_Attack_NewCircuitOfAnOldShape"),
        ],
    ),
    // columns
    (
        "budget exceeded",
        &[
            There("circuits/tests/proofs/zero_knowledge.rs", "fn openings_beyond_the_budget_tell_two_datasets_apart"),
            There("prover/custody/src/tests.rs", "fn the_budget_ends_and_a_refused_opening_counts_nothing"),
        ],
    ),
    ("RNG replay misaligned", &[Here("replay_misaligned")]),
    ("same stream for two datasets", &[There("circuits/tests/attacks/columns.rs", "fn same_stream_for_two_datasets")]),
];

/// Gates of gadgets shared by several circuits: an attack on one circuit counts for all.
pub(crate) const GADGETS: &[&str] =
    &["logUp ", "the shift is one per record", "no top limb beside an unsaturated one", "probabilities sum"];

/// Circuit, gate, and why it needs no attack.
pub(crate) const EXEMPT: &[(&str, &str, &str)] = &[
    (
        "service",
        "a slot ends at most one run: m(m − 1) = 0",
        "follows from `an unused slot has no queries`: a slot that says count > 0 needs m = 1, and no run has count 0; kept \
         as a second lock, because the payment depends on it",
    ),
    (
        "evaluation",
        "powers within a block: xt' = κ·xt",
        "of the product gadget, for `gradient`, whose check multiplies every power: here only the powers on the first rows \
         of blocks are used, and those step from block to block",
    ),
];
