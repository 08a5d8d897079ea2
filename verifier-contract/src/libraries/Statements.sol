// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Statements: codes, public-input offsets, limits and contexts that circuits and contracts share
/// @dev Same names and values as `tribute-core`'s `statement`, `numbers`, `context` and `layout`; a Rust test compares them.
library Statements {
    // Modulus of BN254's scalar field; public inputs are below it.
    uint256 internal constant FIELD_MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    // Modulus of BN254's base field; coordinates of points are below it.
    uint256 internal constant COORDINATE_MODULUS = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    // Statement codes.
    uint8 internal constant DATASET = 1;
    uint8 internal constant GRADIENT = 2;
    uint8 internal constant OPTIMUM = 3;
    uint8 internal constant EVALUATION = 4;
    uint8 internal constant SERVICE = 5;

    // Code of the squared loss's link; bits of all link codes, 1 to 3, as terms and grants list them.
    uint8 internal constant LINK_SQUARED = 1;
    uint8 internal constant ALL_LINKS = 14;
    uint8 internal constant SQUARED_BIT = 2;
    // ε is at most this many times δ: `largest_epsilon`.
    uint256 internal constant EPSILON_CAP = 4;
    uint256 internal constant EPSILON_CAP_SQUARED = 8;

    // Slots of a service proof.
    uint256 internal constant SERVICE_SLOTS = 16;

    // Offset of the context in every statement.
    uint256 internal constant CTX = 0;

    // Offsets of the dataset inputs.
    uint256 internal constant DATASET_N = 1;
    uint256 internal constant DATASET_INPUTS = 2;

    // Offsets of the gradient inputs.
    uint256 internal constant GRADIENT_CONTRIBUTION = 1;
    uint256 internal constant GRADIENT_INPUTS = 2;

    // Offsets of the optimum inputs.
    uint256 internal constant OPTIMUM_N = 1;
    uint256 internal constant OPTIMUM_LAMBDA = 2;
    uint256 internal constant OPTIMUM_EPSILON = 3;
    uint256 internal constant OPTIMUM_NORM = 4;
    uint256 internal constant OPTIMUM_INPUTS = 5;

    // Offsets of the evaluation inputs.
    uint256 internal constant EVALUATION_N = 1;
    uint256 internal constant EVALUATION_CORRECT = 2;
    uint256 internal constant EVALUATION_LOSS = 3;
    uint256 internal constant EVALUATION_INPUTS = 4;

    // Offsets of the service inputs.
    uint256 internal constant SERVICE_BEFORE = 1;
    uint256 internal constant SERVICE_AFTER = 17;
    uint256 internal constant SERVICE_COUNT = 33;
    uint256 internal constant SERVICE_INPUTS = 49;

    // Committed groups by position: the records (XY) first if the statement has them, then weights, then gradients.
    uint256 internal constant DATASET_GROUP_XY = 0;
    uint256 internal constant GRADIENT_GROUP_XY = 0;
    uint256 internal constant GRADIENT_GROUP_W = 1;
    uint256 internal constant GRADIENT_GROUP_G = 2;
    uint256 internal constant OPTIMUM_GROUP_W = 0;
    uint256 internal constant OPTIMUM_GROUP_G = 1;
    uint256 internal constant EVALUATION_GROUP_XY = 0;
    uint256 internal constant EVALUATION_GROUP_W = 1;
    uint256 internal constant SERVICE_GROUP_W = 0;

    // Fractional bits of an evaluation's loss, of the norm, and of λ, ε and δ.
    uint256 internal constant LOSS_BITS = 20;
    uint256 internal constant NORM_BITS = 10;
    uint256 internal constant LAMBDA_BITS = 44;
    // Limits of public values, in bits; for a contribution N, of its absolute value.
    uint256 internal constant COUNT_LIMIT_BITS = 26;
    uint256 internal constant EPSILON_LIMIT_BITS = 37;
    uint256 internal constant LAMBDA_LIMIT_BITS = 44;
    uint256 internal constant NORM_LIMIT_BITS = 24;
    uint256 internal constant CONTRIBUTION_LIMIT_BITS = 112;
    uint256 internal constant LOSS_LIMIT_BITS = 53;
    // Largest s, where the bias feature is 256·2^s.
    uint256 internal constant INTERCEPT_SCALE_MOST = 4;
    // The proven relative distance is at most 1 over this.
    uint256 internal constant DISTANCE_PARTS = 1000;
    // Negative contributions are at most the sum over the first, roundings at most the sum over the second, and the sum
    // is at least nλ‖W‖² times 1 minus 1 over the third.
    uint256 internal constant NEGATIVE_PARTS = 1024;
    uint256 internal constant ROUNDING_PARTS = 1_048_576;
    uint256 internal constant LEAST_SUM_PARTS = 512;

    bytes32 private constant DATASET_DOMAIN = keccak256("tribute.dataset.v1");
    bytes32 private constant GRADIENT_DOMAIN = keccak256("tribute.gradient.v1");
    bytes32 private constant OPTIMUM_DOMAIN = keccak256("tribute.optimum.v1");
    bytes32 private constant EVALUATION_DOMAIN = keccak256("tribute.evaluation.v1");
    bytes32 private constant SERVICE_DOMAIN = keccak256("tribute.service.v1");
    bytes32 private constant DATASET_ID_DOMAIN = keccak256("tribute.datasetid.v1");
    bytes32 private constant AGENT_DOMAIN = keccak256("tribute.agent.v1");
    bytes32 private constant SESSION_DOMAIN = keccak256("tribute.session.v1");

    /// @dev keccak256 of the terms that a dataset's contexts carry.
    /// @param minDataBps Least part of the fees that goes to data providers, in basis points.
    /// @param openTraining Whether anyone may train without a grant.
    /// @param minShareBps Least share of a version's data fees, in basis points.
    /// @param minPricePerQuery Least price of a query, in base units of the token.
    /// @param links Links that may be trained: bit l for link code l.
    /// @return The digest.
    function termsHash(uint16 minDataBps, bool openTraining, uint16 minShareBps, uint128 minPricePerQuery, uint8 links)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(minDataBps, openTraining, minShareBps, minPricePerQuery, links));
    }

    /// @dev Context of one shard's dataset proof; bound to the calling contract, as all contexts are.
    /// @param owner The owner, who registers the shard.
    /// @param schemaId keccak256 of the canonical schema.
    /// @param layoutHash Hash of the layout of the dataset's circuits.
    /// @param shardIndex The shard, counted from 0 in its dataset. The number of shards is not part of the context,
    /// since a dataset grows.
    /// @param records Records in the shard.
    /// @param terms Result of `termsHash`.
    /// @return Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function datasetContext(
        address owner,
        bytes32 schemaId,
        bytes32 layoutHash,
        uint32 shardIndex,
        uint64 records,
        bytes32 terms
    ) internal view returns (uint256) {
        return _truncated(
            keccak256(
                abi.encode(
                    DATASET_DOMAIN,
                    block.chainid,
                    address(this),
                    owner,
                    schemaId,
                    layoutHash,
                    shardIndex,
                    records,
                    terms
                )
            )
        );
    }

    /// @dev Context of a gradient proof.
    /// @param agentOwner The agent's owner.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @param shardDigest keccak256 of the shard's committed points.
    /// @return Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function gradientContext(address agentOwner, bytes32 wDigest, bytes32 shardDigest) internal view returns (uint256) {
        return _truncated(
            keccak256(abi.encode(GRADIENT_DOMAIN, block.chainid, address(this), agentOwner, wDigest, shardDigest))
        );
    }

    /// @dev Context of an optimum proof.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @param listHash Hash of the version's closed list; see `listed`.
    /// @return Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function optimumContext(bytes32 agentId, uint32 version, bytes32 wDigest, bytes32 listHash)
        internal
        view
        returns (uint256)
    {
        return _truncated(
            keccak256(abi.encode(OPTIMUM_DOMAIN, block.chainid, address(this), agentId, version, wDigest, listHash))
        );
    }

    /// @dev Hash of a version's list after appending a dataset; the empty list has hash 0. A dataset's id determines
    /// its shards and, in the registry, the circuit that admitted it.
    /// @param listHash Hash of the list so far.
    /// @param datasetId The dataset.
    /// @return The hash.
    function listed(bytes32 listHash, bytes32 datasetId) internal pure returns (bytes32) {
        return keccak256(abi.encode(listHash, datasetId));
    }

    /// @dev Context of an evaluation proof; bound to the agent registry.
    /// @param registry The agent registry.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @param datasetId The dataset.
    /// @param shard The shard, counted from 0.
    /// @return Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function evaluationContext(
        address registry,
        bytes32 agentId,
        uint32 version,
        bytes32 wDigest,
        bytes32 datasetId,
        uint32 shard
    ) internal view returns (uint256) {
        return _truncated(
            keccak256(
                abi.encode(EVALUATION_DOMAIN, block.chainid, registry, agentId, version, wDigest, datasetId, shard)
            )
        );
    }

    /// @dev Context of a service proof; `sessions` are those of the used slots, in slot order.
    /// @param sessions Sessions of the used slots, in slot order.
    /// @return Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function serviceContext(bytes32[] memory sessions) internal view returns (uint256) {
        return _truncated(
            keccak256(abi.encode(SERVICE_DOMAIN, block.chainid, address(this), keccak256(abi.encodePacked(sessions))))
        );
    }

    /// @dev Id of a dataset.
    /// @param schemaId keccak256 of the canonical schema.
    /// @param layoutHash Hash of the layout of the dataset's circuits.
    /// @param records Records in all shards.
    /// @param shardDigests keccak256 of each shard's committed points, in the order of the shards.
    /// @return The id; it is independent of chain and contract.
    function datasetIdOf(bytes32 schemaId, bytes32 layoutHash, uint64 records, bytes32[] memory shardDigests)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(DATASET_ID_DOMAIN, schemaId, layoutHash, records, keccak256(abi.encodePacked(shardDigests)))
        );
    }

    /// @dev Id of an owner's agent number `nonce`.
    /// @param owner The agent's owner.
    /// @param nonce Number of the owner's agent, counted from 0.
    /// @return The id, bound to chain and calling contract.
    function agentIdOf(address owner, uint256 nonce) internal view returns (bytes32) {
        return keccak256(abi.encode(AGENT_DOMAIN, block.chainid, address(this), owner, nonce));
    }

    /// @dev Id of a client's session number `nonce`.
    /// @param client The client, who opens the session.
    /// @param nonce Number of the client's session, counted from 0.
    /// @return The id, bound to chain and calling contract.
    function sessionIdOf(address client, uint256 nonce) internal view returns (bytes32) {
        return keccak256(abi.encode(SESSION_DOMAIN, block.chainid, address(this), client, nonce));
    }

    /// @dev The transcript at which a session starts.
    /// @param session The session.
    /// @param version The version, counted from 1.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @return keccak256 over chain, calling contract and the arguments, modulo the scalar field's modulus.
    function firstTranscript(bytes32 session, uint32 version, bytes32 wDigest) internal view returns (uint256) {
        return uint256(keccak256(abi.encode(block.chainid, address(this), session, version, wDigest))) % FIELD_MODULUS;
    }

    /// @dev Hash of a layout's numbers.
    /// @param k Circuits have 2^k rows.
    /// @param columns Data columns.
    /// @param features Feature count `d`.
    /// @param classes Class count `c`.
    /// @param task 0: classes, 1: real value.
    /// @param saltRows Salt rows in every committed column.
    /// @param interceptScale s, where the bias feature is 256·2^s.
    /// @return keccak256 of the numbers, four bytes each, behind a tag.
    function layoutHashOf(
        uint32 k,
        uint32 columns,
        uint32 features,
        uint32 classes,
        uint32 task,
        uint32 saltRows,
        uint32 interceptScale
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked("tribute.layout.v1", k, columns, features, classes, task, saltRows, interceptScale)
        );
    }

    /// @dev δ, the worst case of the link tables over a model: `e·√(c(d + 4^s))` with e = 2^-36 the error of one entry,
    /// rounded up, and one unit more for the rounded residual.
    /// @param features Feature count `d`.
    /// @param classes Class count `c`.
    /// @param interceptScale s: the bias feature is 256·2^s, and so is the error on its entry.
    /// @return δ in units of 2^-44.
    function linkError(uint256 features, uint256 classes, uint256 interceptScale) internal pure returns (uint256) {
        return Math.sqrt((classes * (features + (1 << (2 * interceptScale)))) << 16, Math.Rounding.Ceil) + 1;
    }

    /// @dev Fractional bits of the unit of N; a gradient proof rounds away whole limbs.
    /// @param k Circuits have 2^k rows, k from 10 to 22.
    /// @return The circuits' `Layout::contribution_bits`.
    function contributionBits(uint256 k) internal pure returns (uint256) {
        return uint8(bytes6(hex"322f2e2f322d")[k < 15 ? k - 10 : 5]);
    }

    /// @dev Whether no sound circuit of this statement has a proof with these public inputs: they count more records,
    /// correct answers or queries than possible. `ctx` proves nothing, since no gate constrains it: an honest prover
    /// may use any value. Nor do a gradient's N, an evaluation's loss or an optimum's numbers, which the contracts
    /// bound and not the circuits.
    /// @param statement Code of the statement.
    /// @param inputs Public inputs, as many as the statement has.
    /// @return Whether the inputs are impossible.
    function impossible(uint8 statement, uint256[] calldata inputs) internal pure returns (bool) {
        if (statement == DATASET) return inputs[DATASET_N] >> COUNT_LIMIT_BITS != 0;
        if (statement == EVALUATION) {
            uint256 records = inputs[EVALUATION_N];
            return records >> COUNT_LIMIT_BITS != 0 || inputs[EVALUATION_CORRECT] > records;
        }
        if (statement != SERVICE) return false;
        for (uint256 i = 0; i < SERVICE_SLOTS; ++i) {
            if (inputs[SERVICE_COUNT + i] >> COUNT_LIMIT_BITS != 0) return true;
        }
        return false;
    }

    /// @dev A signed public input: `v` below half of the modulus, else `v - r`.
    /// @param input The public input, below the modulus `r`.
    /// @return The value, from -(r - 1)/2 to (r - 1)/2.
    function signed(uint256 input) internal pure returns (int256) {
        // both differences are below 2^254
        // forge-lint: disable-next-line(unsafe-typecast)
        return input <= FIELD_MODULUS / 2 ? int256(input) : -int256(FIELD_MODULUS - input);
    }

    // 248 bits always fit the field.
    function _truncated(bytes32 digest) private pure returns (uint256) {
        return uint256(digest) >> 8;
    }
}
