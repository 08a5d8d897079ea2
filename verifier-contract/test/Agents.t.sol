// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgents} from "../src/interfaces/IAgents.sol";
import {ICertification} from "../src/interfaces/ICertification.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {World} from "./base/World.sol";

/// Ownership and names of agents, and the effect of a sale on open versions.
contract AgentsTest is World {
    function setUp() public override {
        super.setUp();
        createAgent();
    }

    // ---- agents --------------------------------------------------------------------------------------------------

    function test_AgentsAreNumberedByOwner() public {
        assertEq(agents.agentOwner(agent), OLGA);
        assertEq(agents.agentName(agent), "digits");
        assertEq(agents.agentIdOf(OLGA, 0), agent);
        vm.prank(OLGA);
        bytes32 second = agents.createAgent("digits", "");
        assertEq(agents.agentIdOf(OLGA, 1), second);
        assertEq(agents.agentCount(OLGA), 2);
        vm.expectRevert(abi.encodeWithSelector(IAgents.UnknownAgent.selector, bytes32("none")));
        agents.agentOwner("none");
    }

    function test_MetadataIsTheOwners() public {
        assertEq(keccak256(bytes(agents.agentMetadata(agent))), keccak256("https://digits.example"));
        vm.prank(OLGA);
        agents.setMetadata(agent, "elsewhere");
        assertEq(keccak256(bytes(agents.agentMetadata(agent))), keccak256("elsewhere"));
        vm.expectRevert(abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, MALLORY));
        vm.prank(MALLORY);
        agents.setMetadata(agent, "mine");
        vm.expectRevert(abi.encodeWithSelector(IAgents.MetadataTooLong.selector, 1025));
        vm.prank(OLGA);
        agents.setMetadata(agent, string(new bytes(1025)));
        vm.prank(OLGA);
        agents.setMetadata(agent, string(new bytes(1024)));
    }

    function test_OwnershipMovesInTwoSteps() public {
        vm.prank(OLGA);
        agents.setPayout(agent, CLEO);
        assertEq(agents.payoutOf(agent), CLEO);
        vm.prank(OLGA);
        agents.offerAgent(agent, BEN);
        assertEq(agents.agentOwner(agent), OLGA);
        assertEq(agents.offeredTo(agent), BEN);
        vm.expectRevert(abi.encodeWithSelector(IAgents.NotOffered.selector, agent, BEN));
        vm.prank(MALLORY);
        agents.acceptAgent(agent);
        vm.prank(BEN);
        agents.acceptAgent(agent);
        assertEq(agents.agentOwner(agent), BEN);
        assertEq(agents.payoutOf(agent), BEN); // Cleo was Olga's choice
        bytes memory reason = abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, OLGA);
        vm.expectRevert(reason);
        vm.prank(OLGA);
        agents.offerAgent(agent, OLGA);
        vm.expectRevert(reason);
        vm.prank(OLGA);
        agents.setPayout(agent, OLGA);
        vm.expectRevert(abi.encodeWithSelector(IAgents.NotOffered.selector, agent, address(0)));
        vm.prank(BEN);
        agents.acceptAgent(agent);
    }

    function sellTo(address from, address to) private {
        vm.prank(from);
        agents.offerAgent(agent, to);
        vm.prank(to);
        agents.acceptAgent(agent);
    }

    /// A transfer before certification: grants and proofs still name the proposer, and the certificate is up to the new
    /// owner.
    function test_VersionsSurviveATransferIfTheNewOwnerAdoptsThem() public {
        version = closed(versionParams(), bothSets());
        IAgentRegistry.GradientProof memory early = honestGradient(0);
        sellTo(OLGA, BEN);
        addGradient(early);
        addAllGradients();
        bytes memory reason = abi.encodeWithSelector(ICertification.NotAdopted.selector, agent, version, BEN);
        Proof memory optimum = optimumWith(optimumInputs());
        vm.expectRevert(reason);
        vm.prank(OLGA);
        agents.certify(agent, version, optimum.inputs, optimum.proof);
        vm.expectRevert(abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, OLGA));
        vm.prank(OLGA);
        agents.adopt(agent, version);
        vm.prank(BEN);
        agents.adopt(agent, version);
        // another sale, another decision
        sellTo(BEN, CLEO);
        reason = abi.encodeWithSelector(ICertification.NotAdopted.selector, agent, version, CLEO);
        vm.expectRevert(reason);
        agents.certify(agent, version, optimum.inputs, optimum.proof);
        sellTo(CLEO, BEN);
        certifyWith(optimum);
        assertEq(agents.getVersion(agent, version).owner, OLGA);
        assertEq(agents.latestCertified(agent), version);
        bytes memory done = abi.encodeWithSelector(
            IAgentRegistry.WrongStatus.selector,
            agent,
            version,
            IAgentRegistry.Status.Closed,
            IAgentRegistry.Status.Certified
        );
        vm.expectRevert(done);
        vm.prank(BEN);
        agents.adopt(agent, version);
        // the old owner can propose nothing more
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.expectRevert(abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, OLGA));
        vm.prank(OLGA);
        agents.propose(agent, params);
    }
}
