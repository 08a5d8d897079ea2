// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgreedWeights} from "./interfaces/IAgreedWeights.sol";
import {SignedMessages} from "./SignedMessages.sol";

/// @title Messages about agreed weights
/// @notice What owners and attesters sign for {AgreedWeights}, hashed as EIP-712 has it.
abstract contract WeightMessages is SignedMessages {
    // The first member of each message: what a wallet shows to whoever signs.
    bytes32 private constant AGREE_WORDS = keccak256(
        "I agree that this version pays my dataset by this weight, in parts of 10^18 of its fees for data, and no longer by its share. If I asked for a least share, this replaces it. What was earned before stays as it is."
    );
    bytes32 private constant ATTEST_WORDS = keccak256(
        "I have checked the valuation with this SHA-256 on this test set, and these weights, in parts of 10^18, follow from it."
    );
    bytes32 private constant ACCEPT_WORDS = keccak256(
        "Agents of this account may pay my dataset by weights that this attester signs for a valuation on this test set, unless I object in the challenge period. My least share still applies. An attester of 0 withdraws this."
    );
    bytes32 private constant OBJECT_WORDS =
        keccak256("I object to the weights proposed in this round: this version continues to pay as it does now.");

    bytes32 private constant AGREE_TYPEHASH = keccak256(
        "AgreeWeights(string statement,bytes32 datasetId,uint64 weight,bytes32 agentId,uint32 version,uint32 round,bytes32[] datasetIds,uint64[] weights,bytes32 valuation,bytes32 testSet,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ATTEST_TYPEHASH = keccak256(
        "AttestWeights(string statement,bytes32 agentId,uint32 version,uint32 round,bytes32[] datasetIds,uint64[] weights,bytes32 valuation,bytes32 testSet,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ACCEPT_TYPEHASH = keccak256(
        "AcceptValuations(string statement,bytes32 datasetId,address grantee,uint32 serial,address attester,bytes32 testSet,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant OBJECT_TYPEHASH = keccak256(
        "ObjectWeights(string statement,bytes32 agentId,uint32 version,uint32 round,bytes32 datasetId,uint256 nonce,uint256 deadline)"
    );

    /// The members that owners and the attester sign, encoded as EIP-712 has them.
    function _signedParts(IAgreedWeights.Proposal calldata proposal) internal pure returns (bytes memory) {
        return abi.encode(
            proposal.agentId,
            proposal.version,
            proposal.round,
            keccak256(abi.encodePacked(proposal.datasetIds)),
            keccak256(abi.encodePacked(proposal.weights)),
            proposal.valuation,
            proposal.testSet
        );
    }

    function _idOf(bytes memory signed, address attester) internal pure returns (bytes32) {
        return keccak256(bytes.concat(signed, abi.encode(attester)));
    }

    function _agreeStruct(
        IAgreedWeights.Proposal calldata proposal,
        uint256 index,
        bytes memory signed,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        bytes memory own = abi.encode(AGREE_TYPEHASH, AGREE_WORDS, proposal.datasetIds[index], proposal.weights[index]);
        return keccak256(bytes.concat(own, signed, abi.encode(nonce, deadline)));
    }

    function _attestStruct(bytes memory signed, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(bytes.concat(abi.encode(ATTEST_TYPEHASH, ATTEST_WORDS), signed, abi.encode(nonce, deadline)));
    }

    function _objectStruct(
        bytes32 agentId,
        uint32 version,
        uint32 round,
        bytes32 datasetId,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(OBJECT_TYPEHASH, OBJECT_WORDS, agentId, version, round, datasetId, nonce, deadline));
    }

    function _acceptStruct(
        bytes32 datasetId,
        address grantee,
        uint32 serial,
        address attester,
        bytes32 testSet,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(ACCEPT_TYPEHASH, ACCEPT_WORDS, datasetId, grantee, serial, attester, testSet, nonce, deadline)
        );
    }
}
