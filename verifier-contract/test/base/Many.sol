// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "../../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../../src/interfaces/IDatasetRegistry.sol";
import {Statements} from "../../src/libraries/Statements.sol";
import {World} from "./World.sol";

/// A version over any number of open datasets of 10 records, each with an owner of its own and an equal share.
abstract contract Many is World {
    uint256 private constant FIRST_KEY = 0x10000;

    function ownerKey(uint256 i) internal pure returns (uint256) {
        return FIRST_KEY + i;
    }

    /// Registers `count` datasets.
    function openSets(uint256 count) private returns (bytes32[] memory ids) {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms.openTraining = true;
        ids = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = registerAs(vm.addr(ownerKey(i)), params, keccak256(abi.encode(count, i)), 10);
        }
    }

    /// Certifies a version over `count` datasets; returns them, and the gas of `certify` alone.
    function certifyMany(uint256 count) internal returns (bytes32[] memory ids, uint256 spent) {
        vm.prank(OLGA);
        agent = agents.createAgent(bytes32(count), "");
        ids = openSets(count);
        version = closed(versionParams(), ids);
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](count);
        uint256 scalar = 0;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 seed = keccak256(abi.encode(count, i));
            proofs[i] = gradientOf(ids[i], 0, seed, 86e9); // 10 records' part of nλ‖W‖²
            scalar = addmod(scalar, gradientScalar(seed), R);
        }
        agents.addGradients(agent, version, proofs);
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_N] = 10 * count;
        Proof memory proof = accepted(inputs, abi.encodePacked(points(W, 1), curvePoint(scalar)));
        spent = gasleft();
        certifyWith(proof);
        spent -= gasleft();
        requireEqualShares(ids);
    }

    function requireEqualShares(bytes32[] memory ids) private view {
        (uint256 weight, uint256 total) = agents.rewardWeight(agent, version, ids[ids.length - 1]);
        assertEq(weight * ids.length, total);
    }
}
