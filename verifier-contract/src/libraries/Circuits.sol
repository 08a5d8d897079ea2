// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IEvaluations} from "../interfaces/IEvaluations.sol";
import {IProofGate} from "../interfaces/IProofGate.sol";

/// @title Circuits
/// @notice What circuits have in common whose proofs are about the same records and weights.
library Circuits {
    /// @notice Reverts unless a circuit is not stopped and has this statement, link, layout and SRS.
    /// @param gate The gate that knows the circuit.
    /// @param circuitId The circuit.
    /// @param expected What it must have.
    function requireFit(IProofGate gate, bytes32 circuitId, IProofGate.CircuitShape memory expected) internal view {
        IProofGate.CircuitShape memory shape = gate.usableShape(circuitId);
        bool fits = shape.statement == expected.statement && shape.link == expected.link
            && shape.layoutHash == expected.layoutHash && shape.srsDigest == expected.srsDigest;
        if (!fits) revert IEvaluations.UnfitCircuit(circuitId);
    }
}
