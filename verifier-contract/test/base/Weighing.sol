// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgreedWeights} from "../../src/interfaces/IAgreedWeights.sol";
import {ISignedMessages} from "../../src/interfaces/ISignedMessages.sol";
import {Many} from "./Many.sol";

/// Weights for a version, signed by the datasets' owners, or by an attester whom they accept.
abstract contract Weighing is Many {
    uint256 internal constant ONE = 1e18;
    uint256 internal constant ADA_KEY = 0xada;
    uint256 internal constant BEN_KEY = 0xbe;
    uint256 internal constant ATTESTER_KEY = 0xa77e;
    address internal immutable ATTESTER = vm.addr(0xa77e);
    bytes32 internal testSet;
    uint256 private _nonce = 1;

    function registerTestSet() internal {
        testSet = registerAs(CLEO, registerParams(), "test set", 100);
    }

    /// Ada's weight and Ben's, for the current round.
    function proposalOf(uint64 ada) internal view returns (IAgreedWeights.Proposal memory proposal) {
        proposal.agentId = agent;
        proposal.version = version;
        proposal.round = weights.roundOf(agent, version);
        proposal.datasetIds = bothSets();
        proposal.weights = new uint64[](2);
        (proposal.weights[0], proposal.weights[1]) = (ada, uint64(ONE) - ada);
        proposal.valuation = sha256("valuation");
        proposal.testSet = testSet;
    }

    /// The same, for an attester to sign.
    function attestedProposalOf(uint64 ada) internal view returns (IAgreedWeights.Proposal memory proposal) {
        proposal = proposalOf(ada);
        proposal.attester = ATTESTER;
    }

    function authorityOf(uint256 key, bytes32 digest, uint256 nonce)
        internal
        view
        returns (ISignedMessages.Authority memory)
    {
        return ISignedMessages.Authority({nonce: nonce, deadline: block.timestamp, signature: sign(key, digest)});
    }

    function agreed(uint256 key, IAgreedWeights.Proposal memory proposal, uint256 index)
        internal
        returns (ISignedMessages.Authority memory)
    {
        uint256 nonce = _nonce++;
        return authorityOf(key, weights.agreeDigest(proposal, index, nonce, block.timestamp), nonce);
    }

    function bothAgreed(IAgreedWeights.Proposal memory proposal)
        internal
        returns (ISignedMessages.Authority[] memory consents)
    {
        consents = new ISignedMessages.Authority[](2);
        (consents[0], consents[1]) = (agreed(ADA_KEY, proposal, 0), agreed(BEN_KEY, proposal, 1));
    }

    function attested(uint256 key, IAgreedWeights.Proposal memory proposal)
        internal
        returns (ISignedMessages.Authority memory)
    {
        uint256 nonce = _nonce++;
        return authorityOf(key, weights.attestDigest(proposal, nonce, block.timestamp), nonce);
    }

    function nothing() internal pure returns (ISignedMessages.Authority memory authority) {}

    /// As many owners who count on an acceptance.
    function silent(uint256 count) internal pure returns (ISignedMessages.Authority[] memory) {
        return new ISignedMessages.Authority[](count);
    }

    function only(ISignedMessages.Authority memory authority)
        internal
        pure
        returns (ISignedMessages.Authority[] memory consents)
    {
        consents = new ISignedMessages.Authority[](1);
        consents[0] = authority;
    }

    /// Ada and Ben sign, and a stranger submits it.
    function agreeOn(uint64 ada) internal {
        IAgreedWeights.Proposal memory proposal = proposalOf(ada);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        vm.prank(MALLORY);
        weights.install(proposal, nothing(), 0, consents);
    }

    function acceptAs(address owner, bytes32 set) internal {
        vm.prank(owner);
        weights.acceptValuations(set, OLGA, ATTESTER, testSet);
    }

    /// The attester signs, and nobody else.
    function attestTo(uint64 ada) internal {
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(ada);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.prank(MALLORY);
        weights.install(proposal, attestation, 0, silent(2));
    }
}
