// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgents} from "../src/interfaces/IAgents.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetOwners} from "../src/interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// Proposing, listing, closing and the honest path to a certificate; attacks on certificates are in a separate file.
contract AgentRegistryTest is World {
    function setUp() public override {
        super.setUp();
        createAgent();
    }

    function usesLeft(bytes32 id) private view returns (uint256) {
        return datasets.trainingGrant(id, OLGA).terms.uses;
    }

    function expectNotProposed(IAgentRegistry.VersionParams memory params, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(OLGA);
        agents.propose(agent, params);
        assertEq(agents.versionCount(agent), 0);
    }

    function expectNotListed(uint32 version_, bytes32[] memory ids, bytes memory reason) private {
        bytes32 before = keccak256(abi.encode(agents.getVersion(agent, version_)));
        vm.expectRevert(reason);
        vm.prank(OLGA);
        agents.addDatasets(agent, version_, ids);
        assertEq(keccak256(abi.encode(agents.getVersion(agent, version_))), before);
    }

    // ---- proposing -----------------------------------------------------------------------------------------------

    function test_ProposingFixesTerms() public {
        version = draft(versionParams());
        assertEq(version, 1);
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertTrue(entry.status == IAgentRegistry.Status.Draft, "draft");
        assertEq(entry.owner, OLGA);
        assertEq(entry.delta, DELTA);
        assertEq(entry.lambda, LAMBDA);
        assertEq(entry.pricePerQuery, PRICE);
        assertEq(entry.dataBps, DATA_BPS);
        assertEq(entry.layoutHash, layoutHash);
        assertEq(entry.wDigest, pointDigest(W));
        assertEq(entry.modelHash, sha256("agent.onnx"));
        assertEq(entry.deadline, block.timestamp + 90 days);
        assertEq(entry.listHash, bytes32(0));
        assertTrue(!agents.isCertified(agent, version), "not certified");
        assertEq(agents.sumsOf(agent, version).leastBase, type(uint128).max);
    }

    function test_RevertWhen_StrangerProposes() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, MALLORY));
        agents.propose(agent, params);
    }

    /// The layout's parameters, which determine δ, must be those of the circuits.
    function test_Attack_LayoutMisstated() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.dims.classes = 1; // would make δ smaller
        bytes32 claimed = Statements.layoutHashOf(15, 8, 64, 1, 0, 1024, 0);
        expectNotProposed(
            params, abi.encodeWithSelector(IAgentRegistry.LayoutMismatch.selector, gradientCircuit, claimed, layoutHash)
        );
        params = versionParams();
        params.dims.interceptScale = 1;
        claimed = Statements.layoutHashOf(15, 8, 64, 10, 0, 1024, 1);
        expectNotProposed(
            params, abi.encodeWithSelector(IAgentRegistry.LayoutMismatch.selector, gradientCircuit, claimed, layoutHash)
        );
    }

    function addLike(uint8 statement, bytes32 otherLayout, bytes32 otherSrs) private returns (bytes32) {
        IProofGate.CircuitInfo memory info = circuitInfo(statement);
        if (otherLayout != 0) info.layoutHash = otherLayout;
        if (otherSrs != 0) info.srsDigest = otherSrs;
        return gate.addCircuit(info);
    }

    function test_RevertWhen_CircuitIsOfAnotherLayout() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.serviceCircuitId = addLike(Statements.SERVICE, "60 features", 0);
        expectNotProposed(
            params,
            abi.encodeWithSelector(
                IAgentRegistry.LayoutMismatch.selector, params.serviceCircuitId, layoutHash, bytes32("60 features")
            )
        );
    }

    /// The same points under another SRS would be commitments to something else.
    function test_Attack_CircuitOfAnotherSrs() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.optimumCircuitId = addLike(Statements.OPTIMUM, 0, "known tau");
        expectNotProposed(
            params,
            abi.encodeWithSelector(
                IAgentRegistry.SrsMismatch.selector, params.optimumCircuitId, SRS, bytes32("known tau")
            )
        );
    }

    function test_RevertWhen_CircuitProvesAnotherStatement() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.optimumCircuitId = serviceCircuit;
        expectNotProposed(params, abi.encodeWithSelector(IAgentRegistry.WrongStatement.selector, serviceCircuit, 3, 5));
    }

    function test_RevertWhen_CircuitHasAnotherLink() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.link = 2;
        expectNotProposed(params, abi.encodeWithSelector(IAgentRegistry.WrongLink.selector, gradientCircuit, 2, 3));
    }

    function test_RevertWhen_CircuitIsStopped() public {
        gate.stop(serviceCircuit);
        expectNotProposed(versionParams(), abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, serviceCircuit));
    }

    function test_RevertWhen_LambdaOrDataPartIsOutOfRange() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.lambda = 0;
        expectNotProposed(params, abi.encodeWithSelector(IAgentRegistry.LambdaOutOfRange.selector, 0));
        params.lambda = 1 << 44;
        expectNotProposed(params, abi.encodeWithSelector(IAgentRegistry.LambdaOutOfRange.selector, 1 << 44));
        params = versionParams();
        params.dataBps = 10_001;
        expectNotProposed(params, abi.encodeWithSelector(IAgentRegistry.BasisPointsTooHigh.selector, 10_001));
        params.dataBps = 10_000;
        params.lambda = (1 << 44) - 1;
        draft(params);
    }

    // ---- listing -------------------------------------------------------------------------------------------------

    function test_DatasetsAreListedInAnyNumberOfTransactions() public {
        version = draft(versionParams());
        list(version, ids1(adaSet));
        list(version, ids1(benSet));
        uint32 atOnce = draft(versionParams());
        list(atOnce, bothSets());
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        bytes32 hash = keccak256(abi.encode(bytes32(0), adaSet));
        hash = keccak256(abi.encode(hash, benSet));
        assertEq(entry.listHash, hash);
        assertEq(agents.getVersion(agent, atOnce).listHash, hash);
        assertEq(entry.records, RECORDS);
        assertEq(entry.datasets, 2);
        assertEq(entry.shards, 3);
        assertEq(entry.schemaId, SCHEMA);
        assertEq(entry.datasetCircuitIds.length, 1);
        assertEq(entry.datasetCircuitIds[0], datasetCircuit);
        assertEq(agents.contributionOf(agent, version, adaSet).shards, 2);
        assertTrue(agents.lists(agent, version, benSet) && !agents.lists(agent, version, "none"), "listed");
    }

    function test_EveryVersionTakesOneUseOfEachGrant() public {
        list(draft(versionParams()), bothSets());
        assertEq(usesLeft(adaSet), 1);
        list(draft(versionParams()), bothSets());
        assertEq(usesLeft(adaSet), 0);
        expectNotListed(
            draft(versionParams()),
            bothSets(),
            abi.encodeWithSelector(IDatasetRegistry.TrainingNotGranted.selector, adaSet, OLGA)
        );
    }

    function test_RevertWhen_GrantExpired() public {
        version = draft(versionParams());
        vm.warp(block.timestamp + 1 days + 1);
        expectNotListed(
            version, bothSets(), abi.encodeWithSelector(IDatasetRegistry.TrainingNotGranted.selector, adaSet, OLGA)
        );
    }

    function test_RevertWhen_DatasetIsUnknown() public {
        version = draft(versionParams());
        expectNotListed(
            version, ids1("none"), abi.encodeWithSelector(IDatasetOwners.UnknownDataset.selector, bytes32("none"))
        );
    }

    function test_RevertWhen_StrangerListsOrCloses() public {
        version = draft(versionParams());
        bytes memory reason = abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, ADA);
        bytes32[] memory ids = bothSets();
        vm.expectRevert(reason);
        vm.prank(ADA);
        agents.addDatasets(agent, version, ids);
        list(version, ids);
        vm.expectRevert(reason);
        vm.prank(ADA);
        agents.close(agent, version);
    }

    function test_RevertWhen_NothingIsListed() public {
        version = draft(versionParams());
        vm.expectRevert(IAgentRegistry.NoDatasets.selector);
        vm.prank(OLGA);
        agents.close(agent, version);
    }

    function test_Attack_DatasetTwice() public {
        version = draft(versionParams());
        bytes32[] memory ids = bothSets();
        ids[1] = adaSet;
        bytes memory reason = abi.encodeWithSelector(IAgentRegistry.DatasetListedTwice.selector, adaSet);
        expectNotListed(version, ids, reason);
        list(version, ids1(adaSet));
        expectNotListed(version, ids1(adaSet), reason);
    }

    /// Two versions of one dataset share shards: their records would count twice.
    function test_Attack_AnotherVersionOfAListedDataset() public {
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        vm.prank(ADA);
        bytes32 larger = datasets.extend(adaSet, more);
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.coversLater = true;
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, grant);
        version = draft(versionParams());
        list(version, ids1(adaSet));
        expectNotListed(
            version, ids1(larger), abi.encodeWithSelector(IAgentRegistry.DatasetListedTwice.selector, larger)
        );
        assertEq(agents.contributionOf(agent, version, larger).shards, 0);
        uint32 other = draft(versionParams());
        list(other, ids1(larger));
        assertEq(agents.getVersion(agent, other).records, 1350);
    }

    function test_RevertWhen_SchemasDiffer() public {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.schemaId = "another schema";
        bytes32 id = registerAs(OLGA, params, "olga", 10);
        bytes32[] memory ids = bothSets();
        ids[1] = id;
        expectNotListed(
            draft(versionParams()),
            ids,
            abi.encodeWithSelector(IAgentRegistry.SchemaMismatch.selector, id, SCHEMA, params.schemaId)
        );
    }

    function test_Attack_DatasetOfAnotherSrsOrLayout() public {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.circuitId = addLike(Statements.DATASET, 0, "known tau");
        bytes32 id = registerAs(OLGA, params, "olga", 10);
        version = draft(versionParams());
        expectNotListed(
            version,
            ids1(id),
            abi.encodeWithSelector(IAgentRegistry.SrsMismatch.selector, params.circuitId, SRS, bytes32("known tau"))
        );
        layoutHash = "60 features";
        params.circuitId = addLike(Statements.DATASET, layoutHash, 0);
        id = registerAs(OLGA, params, "olga again", 10);
        layoutHash = Statements.layoutHashOf(15, 8, 64, 10, 0, 1024, 0);
        expectNotListed(
            version,
            ids1(id),
            abi.encodeWithSelector(
                IAgentRegistry.LayoutMismatch.selector, params.circuitId, layoutHash, bytes32("60 features")
            )
        );
    }

    function test_RevertWhen_TheAdmittingCircuitIsStopped() public {
        version = draft(versionParams());
        gate.stop(datasetCircuit);
        expectNotListed(version, bothSets(), abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, datasetCircuit));
    }

    function test_RevertWhen_DatasetsWereAdmittedByTooManyCircuits() public {
        version = draft(versionParams());
        IDatasetRegistry.RegisterParams memory params = registerParams();
        for (uint256 i = 0; i < 5; ++i) {
            IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
            info.vkDigest = keccak256(abi.encode("another key", i));
            params.circuitId = gate.addCircuit(info);
            bytes32[] memory ids = ids1(registerAs(OLGA, params, keccak256(abi.encode("olga", i)), 10));
            if (i < 4) {
                list(version, ids);
                continue;
            }
            expectNotListed(
                version, ids, abi.encodeWithSelector(IAgentRegistry.TooManyDatasetCircuits.selector, params.circuitId)
            );
        }
        assertEq(agents.getVersion(agent, version).datasetCircuitIds.length, 4);
    }

    function test_RevertWhen_RecordsExceedWhatCircuitsSum() public {
        uint64 most = (1 << 26) - 1;
        bytes32 fits = registerAs(OLGA, registerParams(), "olga", most - 297);
        bytes32 exceeds = registerAs(OLGA, registerParams(), "olga again", most - 296);
        bytes32[] memory ids = bothSets();
        ids[0] = exceeds;
        version = draft(versionParams());
        expectNotListed(version, ids, abi.encodeWithSelector(IAgentRegistry.TooManyRecords.selector, 1 << 26));
        ids[0] = fits;
        list(version, ids);
        assertEq(agents.getVersion(agent, version).records, most);
    }

    function test_Attack_AddingAfterClosing() public {
        version = draft(versionParams());
        list(version, ids1(adaSet));
        close(version);
        expectNotListed(
            version,
            ids1(benSet),
            abi.encodeWithSelector(
                IAgentRegistry.WrongStatus.selector,
                agent,
                version,
                IAgentRegistry.Status.Draft,
                IAgentRegistry.Status.Closed
            )
        );
        assertEq(usesLeft(benSet), 2);
    }

    // ---- abandoning -----------------------------------------------------------------------------------------------

    function abandonAs(address who) private {
        vm.prank(who);
        agents.abandon(agent, version);
    }

    function test_UsesComeBackFromAnAbandonedVersion() public {
        version = closed(versionParams(), bothSets());
        addGradient(honestGradient(2));
        assertEq(usesLeft(adaSet), 1);
        abandonAs(OLGA);
        agents.returnUses(agent, version, bothSets());
        assertEq(usesLeft(adaSet), 2);
        assertEq(usesLeft(benSet), 1); // its contribution is public
        agents.returnUses(agent, version, bothSets()); // not twice
        assertEq(usesLeft(adaSet), 2);
        assertTrue(agents.status(agent, version) == IAgentRegistry.Status.Abandoned, "abandoned");
        // nothing more can happen to it
        bytes memory reason = abi.encodeWithSelector(
            IAgentRegistry.WrongStatus.selector,
            agent,
            version,
            IAgentRegistry.Status.Closed,
            IAgentRegistry.Status.Abandoned
        );
        IAgentRegistry.GradientProof[] memory late = gradients1(honestGradient(0));
        vm.expectRevert(reason);
        agents.addGradients(agent, version, late);
        vm.expectRevert(reason);
        abandonAs(OLGA);
    }

    /// A grant revoked or replaced since must not come back to life.
    function test_UsesOfAReplacedGrantDoNotComeBack() public {
        version = draft(versionParams());
        list(version, bothSets());
        IDatasetRegistry.GrantTerms memory none = grantTerms(0);
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, none);
        abandonAs(OLGA);
        agents.returnUses(agent, version, bothSets());
        assertEq(usesLeft(adaSet), 0);
        assertEq(usesLeft(benSet), 2);
    }

    function test_OthersAbandonOnlyWhatIsOverdue() public {
        version = closed(versionParams(), bothSets());
        uint64 deadline = uint64(block.timestamp + 90 days);
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.NotOverdue.selector, agent, version, deadline));
        abandonAs(ADA);
        vm.warp(deadline);
        abandonAs(ADA);
        agents.returnUses(agent, version, bothSets());
        assertEq(usesLeft(adaSet), 2);
    }

    function test_RevertWhen_ACertifiedVersionIsAbandoned() public {
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
        vm.warp(block.timestamp + 91 days);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAgentRegistry.WrongStatus.selector,
                agent,
                version,
                IAgentRegistry.Status.Closed,
                IAgentRegistry.Status.Certified
            )
        );
        abandonAs(OLGA);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAgentRegistry.WrongStatus.selector,
                agent,
                version,
                IAgentRegistry.Status.Abandoned,
                IAgentRegistry.Status.Certified
            )
        );
        agents.returnUses(agent, version, bothSets());
    }
}
