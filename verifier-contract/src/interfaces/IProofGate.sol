// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Proof gate: the single entry point for verifying proofs
/// @notice An add-only registry of circuits. A circuit id is the hash of everything that decides what its proofs mean;
/// anyone can rebuild and compare it. The meaning of an id never changes once it is added; only its gas cap may be
/// raised, and it may be stopped permanently.
///
/// The owner should be a timelock, so that new circuits are visible some days before they take effect. A stop is
/// immediate and means the same everywhere: a stopped circuit admits nothing new. No dataset is registered or extended
/// with it, no gradient added, no version certified whose datasets it admitted or whose gradients, optimum or service
/// it proves, and no session opened or topped up for a version that it serves. What was certified stays on record, with
/// a status that says so (`IAgentRegistry.status`); what was earned can be withdrawn, and queries answered under
/// vouchers can still be paid by a settlement that the client signs (`ISessionEscrow.settle`).
interface IProofGate {
    /// @notice Everything the gate stores about a circuit.
    struct CircuitInfo {
        /// Contract that verifies proofs of this circuit: takes calldata `inputs ‖ proof`, and returns nothing or
        /// reverts.
        address verifier;
        /// keccak256 of the verifier's deployed bytecode.
        bytes32 codeHash;
        /// Length of a proof in bytes; a multiple of 32.
        uint32 proofLength;
        /// Number of public inputs.
        uint16 inputCount;
        /// Maximum gas forwarded to the verifier; about three times the measured cost.
        uint32 gasCap;
        /// 1 dataset, 2 gradient, 3 optimum, 4 evaluation, 5 service.
        uint8 statement;
        /// Hash of the layout that the circuit is built over.
        bytes32 layoutHash;
        /// 0 none, 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Columns of each committed group; the groups are the first points of a proof, in this order.
        uint16[] groupColumns;
        /// Digest of the SRS.
        bytes32 srsDigest;
        /// Digest of the verifying key.
        bytes32 vkDigest;
    }

    /// @notice A proof and its circuit.
    struct CircuitProof {
        /// The circuit.
        bytes32 circuitId;
        /// Public inputs, each below the field's modulus.
        uint256[] inputs;
        /// The proof, points uncompressed; the committed groups come first.
        bytes proof;
    }

    /// @notice The part of a circuit's identity that determines what its proofs may be used for.
    struct CircuitShape {
        /// As in `CircuitInfo`.
        uint8 statement;
        /// As in `CircuitInfo`.
        uint8 link;
        /// As in `CircuitInfo`.
        bytes32 layoutHash;
        /// As in `CircuitInfo`.
        bytes32 srsDigest;
    }

    /// @notice A circuit was added.
    /// @param circuitId The circuit.
    /// @param statement Code of the statement, 1 to 5 as in `CircuitInfo`.
    /// @param layoutHash Hash of the layout that the circuit is built over.
    /// @param verifier Contract that verifies proofs of the circuit.
    event CircuitAdded(
        bytes32 indexed circuitId, uint8 indexed statement, bytes32 indexed layoutHash, address verifier
    );
    /// @notice A circuit was stopped permanently.
    /// @param circuitId The circuit.
    /// @param by Who stopped it: the guardian, the owner, or anybody who showed that it is unsound.
    event CircuitStopped(bytes32 indexed circuitId, address by);
    /// @notice A circuit's gas cap was raised.
    /// @param circuitId The circuit.
    /// @param from The previous cap.
    /// @param to The new cap.
    event GasCapRaised(bytes32 indexed circuitId, uint32 from, uint32 to);
    /// @notice The guardian was replaced.
    /// @param from The previous guardian; zero if there was none.
    /// @param to The new guardian; zero for none.
    event GuardianChanged(address indexed from, address indexed to);

    /// @notice No circuit has this id.
    /// @param circuitId The id requested.
    error UnknownCircuit(bytes32 circuitId);
    /// @notice The circuit was stopped: its proofs are no longer accepted.
    /// @param circuitId The circuit.
    error StoppedCircuit(bytes32 circuitId);
    /// @notice The circuit is already registered.
    /// @param circuitId The circuit.
    error CircuitExists(bytes32 circuitId);
    /// @notice There is no such statement.
    /// @param statement The code given; valid codes are 1 to 5.
    error UnknownStatement(uint8 statement);
    /// @notice The statement has another number of public inputs.
    /// @param expected Public inputs that proofs of the statement have.
    /// @param given Public inputs given.
    error WrongInputCount(uint256 expected, uint256 given);
    /// @notice The link code does not exist, or is 0 (none) although the statement needs a link.
    /// @param statement Code of the statement, 1 to 5 as in `CircuitInfo`.
    /// @param link Code given: 0 none, which a gradient or an evaluation may not have, 1 squared, 2 logistic, 3 softmax.
    error WrongLinkCode(uint8 statement, uint8 link);
    /// @notice The statement has another number of committed groups.
    /// @param statement Code of the statement, 1 to 5 as in `CircuitInfo`.
    /// @param expected Committed groups of the statement.
    /// @param given Committed groups given.
    error WrongGroupCount(uint8 statement, uint256 expected, uint256 given);
    /// @notice A committed group has an impossible number of columns.
    /// @param group The group, counted from 0.
    /// @param columns Columns given: records take at least 2, every other group exactly 1.
    error WrongGroupColumns(uint256 group, uint16 columns);
    /// @notice The proof does not have the length of this circuit's proofs.
    /// @param expected Length of the circuit's proofs in bytes; when a circuit is added, the minimum for its committed
    /// points.
    /// @param given Length given in bytes; when a circuit is added, it must also be a multiple of 32.
    error WrongProofLength(uint256 expected, uint256 given);
    /// @notice A public input is not reduced; otherwise the same proof would pass for two values.
    /// @param index Offset of the public input, counted from 0.
    /// @param value Its value, not below the scalar field's modulus.
    error InputNotCanonical(uint256 index, uint256 value);
    /// @notice A coordinate of a committed point is not reduced; otherwise the same point would have two digests.
    /// @param point The point in the order of the proof, counted from 0.
    error PointNotCanonical(uint256 point);
    /// @notice There is no code at the verifier's address.
    /// @param verifier Contract that verifies proofs of the circuit.
    error VerifierWithoutCode(address verifier);
    /// @notice The code at the verifier's address is not the registered one.
    /// @param verifier Contract that verifies proofs of the circuit.
    /// @param expected keccak256 of the registered bytecode.
    /// @param found keccak256 of the bytecode at the address.
    error VerifierCodeChanged(address verifier, bytes32 expected, bytes32 found);
    /// @notice The verifier rejected the proof.
    /// @param circuitId The circuit.
    error ProofRejected(bytes32 circuitId);
    /// @notice At least one of several proofs that were checked together does not hold; `check` finds out which.
    /// @param proofs Number of proofs checked together.
    error OneRejected(uint256 proofs);
    /// @notice The proof is over another SRS than the first one: one pairing cannot check both.
    /// @param index The proof, counted from 0.
    /// @param expected Digest of the first proof's SRS.
    /// @param found Digest of this one's; the same if a verifier was built from another SRS than its circuit states.
    error OtherSrs(uint256 index, bytes32 expected, bytes32 found);
    /// @notice A gas cap may only be raised.
    /// @param current The current cap.
    /// @param proposed The cap proposed.
    error GasCapNotRaised(uint32 current, uint32 proposed);
    /// @notice Only the guardian or the owner may do this.
    /// @param caller The caller.
    error NotGuardian(address caller);

    /// @notice The public inputs are possible, so the proof does not show that the circuit is unsound.
    /// @param circuitId The circuit.
    error InputsPossible(bytes32 circuitId);
    /// @notice Without an owner nobody could add circuits or name a guardian; hand ownership over instead.
    error OwnerNeeded();

    /// @notice Adds a circuit; only the owner. Reverts if the id exists.
    /// @param info Everything that the gate stores about the circuit.
    /// @return circuitId The id, computed from `info`.
    function addCircuit(CircuitInfo calldata info) external returns (bytes32 circuitId);

    /// @notice Raises the gas cap of a circuit; only the owner.
    /// @param circuitId The circuit.
    /// @param gasCap The new maximum gas forwarded to the verifier; above the current cap.
    function raiseGasCap(bytes32 circuitId, uint32 gasCap) external;

    /// @notice Stops a circuit permanently; only the guardian or the owner.
    /// @param circuitId The circuit.
    function stop(bytes32 circuitId) external;

    /// @notice Stops a circuit permanently; anybody may, with a proof that a sound circuit cannot have, because its
    /// public inputs are impossible: 2^26 or more records or queries in a shard or slot, or more correct answers than
    /// records.
    /// @dev A reserved context would not work: no gate constrains the context, so an honest prover could make a valid
    /// proof with it. The numbers of gradients and optima are bounded by the contracts and not by their circuits, so
    /// only the guardian or the owner can stop those circuits.
    /// @param circuitId The circuit, of the statement dataset, evaluation or service.
    /// @param inputs Public inputs of the proof.
    /// @param proof The proof.
    function stopUnsound(bytes32 circuitId, uint256[] calldata inputs, bytes calldata proof) external;

    /// @notice Always reverts: the gate needs an owner.
    function renounceOwnership() external pure;

    /// @notice Replaces the guardian; only the owner. Zero leaves stopping to the owner.
    /// @param newGuardian The new guardian; zero for none.
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

    /// @notice Checks several proofs, of the same or different circuits over one SRS, by one pairing; reverts unless
    /// all hold. Every proof after the first costs some 100,000 gas less than by `check`, and still less right after one
    /// of the same circuit. One bad proof makes the call revert: with `ProofRejected` if more than its pairing fails,
    /// otherwise with `OneRejected`.
    /// @dev The pairing equations are combined with powers of a hash of all proofs; see `Openings` for the soundness
    /// argument.
    /// @param proofs The proofs, any number, in any order; duplicates are allowed.
    /// @return groupDigests For each proof, what `check` returns.
    function checkAll(CircuitProof[] calldata proofs) external view returns (bytes32[][] memory groupDigests);

    /// @notice The circuit id of `info`, registered or not.
    /// @param info Everything about the circuit. The id covers all of it except the verifier's address, which the code
    /// hash makes irrelevant, and the gas cap, which may be raised.
    /// @return circuitId keccak256 over verifying key, SRS, layout, statement, link, code hash, input count, proof length
    /// and columns of the groups.
    function circuitIdOf(CircuitInfo calldata info) external pure returns (bytes32 circuitId);

    /// @notice Everything stored about a circuit; reverts if unknown.
    /// @param circuitId The circuit.
    /// @return info Everything that the gate stores.
    function circuit(bytes32 circuitId) external view returns (CircuitInfo memory info);

    /// @notice A circuit's statement, link, layout and SRS; reverts if unknown or stopped.
    /// @param circuitId The circuit.
    /// @return shape The part of its identity that determines what its proofs may be used for.
    function usableShape(bytes32 circuitId) external view returns (CircuitShape memory shape);

    /// @notice As `usableShape`, but also for a stopped circuit; reverts if unknown.
    /// @param circuitId The circuit.
    /// @return shape The part of its identity that determines what its proofs may be used for.
    function shapeOf(bytes32 circuitId) external view returns (CircuitShape memory shape);

    /// @notice Number of circuits added.
    /// @return count Number of circuits, stopped ones included.
    function circuitCount() external view returns (uint256 count);

    /// @notice The circuit id at a position in the order of addition.
    /// @param index Position in that order, counted from 0; below `circuitCount`.
    /// @return circuitId The circuit.
    function circuitAt(uint256 index) external view returns (bytes32 circuitId);

    /// @notice Whether the circuit was stopped.
    /// @param circuitId The circuit.
    /// @return stopped True if it was stopped; reverts if unknown.
    function isStopped(bytes32 circuitId) external view returns (bool stopped);

    /// @notice The account that may stop circuits, besides the owner.
    /// @return account The guardian; zero if there is none.
    function guardian() external view returns (address account);
}
