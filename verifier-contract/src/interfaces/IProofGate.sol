// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Proof gate: the one door through which every proof passes
/// @notice An add-only registry of circuits. A circuit id names a verifying key, an SRS, a layout, a statement, a shape
/// and the bytecode of one verifier; anyone can rebuild and compare it. An id, once added, never changes its meaning:
/// its gas cap may be raised and the guardian may stop it for good.
interface IProofGate {
    /// @notice Everything the gate knows about a circuit.
    struct CircuitInfo {
        /// Contract that checks proofs of this circuit: calldata `inputs ‖ proof`, returns nothing or reverts.
        address verifier;
        /// keccak256 of the verifier's deployed bytecode.
        bytes32 codeHash;
        /// Bytes of a proof; a multiple of 32.
        uint32 proofLength;
        /// Number of public inputs.
        uint16 inputCount;
        /// Most gas forwarded to the verifier; about three times the measured cost.
        uint32 gasCap;
        /// 1 dataset, 2 gradient, 3 sum, 4 optimum, 5 evaluation, 6 service.
        uint8 statement;
        /// Hash of the layout that the circuit is built over.
        bytes32 layoutHash;
        /// 0 none, 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Whether the bias weights are penalised.
        bool regBias;
        /// Slots of the circuit: its parts, 2 to 8, for sum, 8 for optimum, 16 for service, else 0.
        uint16 slots;
        /// Columns of each committed group; the groups are the first points of a proof, in this order.
        uint16[] groupColumns;
        /// Digest of the SRS.
        bytes32 srsDigest;
        /// Digest of the verifying key.
        bytes32 vkDigest;
    }

    /// @notice The part of a circuit's identity that says what its proofs may be used for.
    struct CircuitShape {
        /// As in `CircuitInfo`.
        uint8 statement;
        /// As in `CircuitInfo`.
        uint8 link;
        /// As in `CircuitInfo`.
        bool regBias;
        /// As in `CircuitInfo`.
        uint16 slots;
        /// As in `CircuitInfo`.
        bytes32 layoutHash;
        /// As in `CircuitInfo`.
        bytes32 srsDigest;
    }

    /// @notice A circuit was added.
    event CircuitAdded(
        bytes32 indexed circuitId, uint8 indexed statement, bytes32 indexed layoutHash, address verifier
    );
    /// @notice A circuit was stopped for good.
    event CircuitStopped(bytes32 indexed circuitId, address by);
    /// @notice A circuit's gas cap was raised.
    event GasCapRaised(bytes32 indexed circuitId, uint32 from, uint32 to);
    /// @notice The guardian was replaced.
    event GuardianChanged(address indexed from, address indexed to);

    /// @notice No circuit has this id.
    error UnknownCircuit(bytes32 circuitId);
    /// @notice The circuit was stopped: no proof of it counts any more.
    error StoppedCircuit(bytes32 circuitId);
    /// @notice The circuit was added before.
    error CircuitExists(bytes32 circuitId);
    /// @notice There is no such statement.
    error UnknownStatement(uint8 statement);
    /// @notice The statement has another number of public inputs.
    error WrongInputCount(uint256 expected, uint256 given);
    /// @notice The statement has other slots.
    error WrongSlots(uint8 statement, uint16 expected, uint16 given);
    /// @notice The link code does not exist, or the statement takes none.
    error WrongLinkCode(uint8 statement, uint8 link);
    /// @notice The statement has another number of committed groups.
    error WrongGroupCount(uint8 statement, uint256 expected, uint256 given);
    /// @notice A committed group has an impossible number of columns.
    error WrongGroupColumns(uint256 group, uint16 columns);
    /// @notice The proof is not as long as proofs of this circuit are.
    error WrongProofLength(uint256 expected, uint256 given);
    /// @notice A public input is not reduced; the same proof would pass for two values.
    error InputNotCanonical(uint256 index, uint256 value);
    /// @notice A committed point has a coordinate that is not reduced; the same point would have two digests.
    error PointNotCanonical(uint256 point);
    /// @notice No code stands at the verifier's address.
    error VerifierWithoutCode(address verifier);
    /// @notice The code at the verifier's address is not the registered one.
    error VerifierCodeChanged(address verifier, bytes32 expected, bytes32 found);
    /// @notice The verifier rejected the proof.
    error ProofRejected(bytes32 circuitId);
    /// @notice A gas cap may only be raised.
    error GasCapNotRaised(uint32 current, uint32 proposed);
    /// @notice Only the guardian or the owner may do this.
    error NotGuardian(address caller);

    /// @notice Adds a circuit; only the owner. Reverts if the id exists.
    /// @return circuitId The id, computed from `info`.
    function addCircuit(CircuitInfo calldata info) external returns (bytes32 circuitId);

    /// @notice Raises the gas cap of a circuit; only the owner.
    function raiseGasCap(bytes32 circuitId, uint32 gasCap) external;

    /// @notice Stops a circuit for good; only the guardian or the owner.
    function stop(bytes32 circuitId) external;

    /// @notice Replaces the guardian; only the owner. Zero leaves stopping to the owner.
    function setGuardian(address newGuardian) external;

    /// @notice Checks a proof; reverts unless it holds.
    /// @param circuitId The circuit that the proof is of.
    /// @param inputs Public inputs, each below the field's modulus.
    /// @param proof The proof, points uncompressed; the committed groups come first.
    /// @return groupDigests keccak256 of each committed group's points (`x‖y`, 64 bytes each).
    function check(bytes32 circuitId, uint256[] calldata inputs, bytes calldata proof)
        external
        view
        returns (bytes32[] memory groupDigests);

    /// @notice The id that `info` has or would have.
    function circuitIdOf(CircuitInfo calldata info) external pure returns (bytes32 circuitId);

    /// @notice Everything known about a circuit; reverts if unknown.
    function circuit(bytes32 circuitId) external view returns (CircuitInfo memory info);

    /// @notice What a circuit's proofs may be used for; reverts if unknown or stopped.
    function usableShape(bytes32 circuitId) external view returns (CircuitShape memory shape);

    /// @notice Number of circuits added.
    function circuitCount() external view returns (uint256 count);

    /// @notice Ids in the order in which they were added.
    function circuitAt(uint256 index) external view returns (bytes32 circuitId);

    /// @notice Whether the circuit was stopped.
    function isStopped(bytes32 circuitId) external view returns (bool stopped);

    /// @notice Who may stop circuits, besides the owner.
    function guardian() external view returns (address account);
}
