// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProofGate} from "../../src/ProofGate.sol";
import {Fixtures} from "./Fixtures.sol";

/// A gate with our verifier of every circuit, and a real proof of each.
abstract contract EveryProof is Fixtures {
    string[7] internal NAMES =
        ["dataset", "gradient-softmax", "gradient-logistic", "gradient-squared", "optimum", "evaluation", "service"];

    ProofGate internal gate;
    Fixture[] internal fixtures;
    bytes32[] internal ids;

    function setUp() public virtual {
        currentFixtures();
        gate = new ProofGate(address(this), address(this));
        for (uint256 i = 0; i < NAMES.length; ++i) {
            fixtures.push(loadFixture(NAMES[i]));
            ids.push(gate.addCircuit(fixtures[i].info));
        }
    }
}
