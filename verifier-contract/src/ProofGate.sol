// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IProofGate} from "./interfaces/IProofGate.sol";
import {Openings} from "./libraries/Openings.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Proof gate
/// @notice See {IProofGate}.
/// @dev Generated verifiers reduce inputs modulo the field, ignore trailing bytes and burn all gas on an invalid point,
/// and a call to an address without code looks like success. The gate closes each of these holes, once, for all
/// statements.
contract ProofGate is IProofGate, Ownable2Step {
    uint256 private constant POINT_BYTES = 64;

    struct Entry {
        // one slot: all that a check reads apart from the code hash and the groups
        address verifier;
        uint32 proofLength;
        uint32 gasCap;
        uint16 inputCount;
        uint8 statement;
        bool stopped;
        // one slot
        uint8 link;
        bytes32 codeHash;
        bytes32 layoutHash;
        bytes32 srsDigest;
        bytes32 vkDigest;
        uint16[] groupColumns;
    }

    mapping(bytes32 circuitId => Entry) private _entries;
    bytes32[] private _ids;
    address private _guardian;

    /// @param owner The account that adds circuits and raises gas caps, and may stop circuits and replace the guardian.
    /// @param initialGuardian The first guardian; zero for none.
    // Zero is allowed: it leaves stopping to the owner.
    // slither-disable-next-line missing-zero-check
    constructor(address owner, address initialGuardian) Ownable(owner) {
        _guardian = initialGuardian;
        emit GuardianChanged(address(0), initialGuardian);
    }

    /// @inheritdoc IProofGate
    function addCircuit(CircuitInfo calldata info) external onlyOwner returns (bytes32 circuitId) {
        _requireSoundShape(info);
        _requireCode(info.verifier, info.codeHash);
        circuitId = circuitIdOf(info);
        if (_entries[circuitId].verifier != address(0)) revert CircuitExists(circuitId);
        _entries[circuitId] = Entry({
            verifier: info.verifier,
            proofLength: info.proofLength,
            gasCap: info.gasCap,
            inputCount: info.inputCount,
            statement: info.statement,
            stopped: false,
            link: info.link,
            codeHash: info.codeHash,
            layoutHash: info.layoutHash,
            srsDigest: info.srsDigest,
            vkDigest: info.vkDigest,
            groupColumns: info.groupColumns
        });
        _ids.push(circuitId);
        emit CircuitAdded(circuitId, info.statement, info.layoutHash, info.verifier);
    }

    /// @inheritdoc IProofGate
    function raiseGasCap(bytes32 circuitId, uint32 gasCap) external onlyOwner {
        Entry storage entry = _known(circuitId);
        uint32 current = entry.gasCap;
        if (gasCap <= current) revert GasCapNotRaised(current, gasCap);
        entry.gasCap = gasCap;
        emit GasCapRaised(circuitId, current, gasCap);
    }

    /// @inheritdoc IProofGate
    function stop(bytes32 circuitId) external {
        if (msg.sender != _guardian && msg.sender != owner()) revert NotGuardian(msg.sender);
        _stop(circuitId);
    }

    /// @inheritdoc IProofGate
    function stopUnsound(bytes32 circuitId, uint256[] calldata inputs, bytes calldata proof) external {
        // the gate has already checked the number of inputs when they are read
        // slither-disable-next-line unused-return
        check(circuitId, inputs, proof);
        if (!Statements.impossible(_entries[circuitId].statement, inputs)) revert InputsPossible(circuitId);
        _stop(circuitId);
    }

    /// @inheritdoc IProofGate
    function renounceOwnership() public pure override(IProofGate, Ownable) {
        revert OwnerNeeded();
    }

    /// @inheritdoc IProofGate
    // slither-disable-next-line missing-zero-check
    function setGuardian(address newGuardian) external onlyOwner {
        emit GuardianChanged(_guardian, newGuardian);
        _guardian = newGuardian;
    }

    /// @inheritdoc IProofGate
    function check(bytes32 circuitId, uint256[] calldata inputs, bytes calldata proof)
        public
        view
        returns (bytes32[] memory groupDigests)
    {
        Entry storage entry = _usable(circuitId);
        groupDigests = _guarded(entry, inputs, proof);
        // Not hashed, and the guards fix both lengths.
        // slither-disable-next-line encode-packed-collision
        if (!_accepts(entry.verifier, entry.gasCap, abi.encodePacked(inputs, proof))) revert ProofRejected(circuitId);
    }

    /// @inheritdoc IProofGate
    function checkAll(CircuitProof[] calldata proofs) external view returns (bytes32[][] memory groupDigests) {
        uint256 count = proofs.length;
        groupDigests = new bytes32[][](count);
        if (count == 0) return groupDigests;
        if (count == 1) {
            groupDigests[0] = check(proofs[0].circuitId, proofs[0].inputs, proofs[0].proof);
            return groupDigests;
        }
        uint256[][] memory openings = new uint256[][](count);
        bytes32[] memory circuitIds = new bytes32[](count);
        bytes32 srsDigest = _known(proofs[0].circuitId).srsDigest;
        bytes32 transcript = keccak256(abi.encode(count));
        for (uint256 i = 0; i < count; ++i) {
            CircuitProof calldata given = proofs[i];
            Entry storage entry = _usable(given.circuitId);
            groupDigests[i] = _guarded(entry, given.inputs, given.proof);
            if (entry.srsDigest != srsDigest) revert OtherSrs(i, srsDigest, entry.srsDigest);
            // One extra byte defers the pairing and the fixed points. Not hashed either.
            // slither-disable-next-line encode-packed-collision
            bytes memory data = abi.encodePacked(given.inputs, given.proof, bytes1(0));
            openings[i] = _deferred(entry, given.circuitId, data);
            if (!Openings.sameSrs(openings[0], openings[i])) revert OtherSrs(i, srsDigest, entry.srsDigest);
            circuitIds[i] = given.circuitId;
            bytes32 opening = keccak256(abi.encodePacked(openings[i]));
            transcript = keccak256(abi.encode(transcript, given.circuitId, keccak256(data), opening));
        }
        if (!Openings.hold(openings, circuitIds, transcript)) revert OneRejected(count);
    }

    /// Guards before the verifier is called: rejects everything that a verifier would wrongly accept.
    function _guarded(Entry storage entry, uint256[] calldata inputs, bytes calldata proof)
        private
        view
        returns (bytes32[] memory groupDigests)
    {
        if (inputs.length != entry.inputCount) revert WrongInputCount(entry.inputCount, inputs.length);
        if (proof.length != entry.proofLength) revert WrongProofLength(entry.proofLength, proof.length);
        for (uint256 i = 0; i < inputs.length; ++i) {
            if (inputs[i] >= Statements.FIELD_MODULUS) revert InputNotCanonical(i, inputs[i]);
        }
        groupDigests = _groupDigests(entry.groupColumns, proof);
        _requireCode(entry.verifier, entry.codeHash);
    }

    /// @inheritdoc IProofGate
    function circuit(bytes32 circuitId) external view returns (CircuitInfo memory info) {
        Entry storage entry = _known(circuitId);
        info = CircuitInfo({
            verifier: entry.verifier,
            codeHash: entry.codeHash,
            proofLength: entry.proofLength,
            inputCount: entry.inputCount,
            gasCap: entry.gasCap,
            statement: entry.statement,
            layoutHash: entry.layoutHash,
            link: entry.link,
            groupColumns: entry.groupColumns,
            srsDigest: entry.srsDigest,
            vkDigest: entry.vkDigest
        });
    }

    /// @inheritdoc IProofGate
    function usableShape(bytes32 circuitId) external view returns (CircuitShape memory shape) {
        return _shapeOf(_usable(circuitId));
    }

    /// @inheritdoc IProofGate
    function shapeOf(bytes32 circuitId) external view returns (CircuitShape memory shape) {
        return _shapeOf(_known(circuitId));
    }

    /// @inheritdoc IProofGate
    function circuitCount() external view returns (uint256 count) {
        return _ids.length;
    }

    /// @inheritdoc IProofGate
    function circuitAt(uint256 index) external view returns (bytes32 circuitId) {
        return _ids[index];
    }

    /// @inheritdoc IProofGate
    function isStopped(bytes32 circuitId) external view returns (bool stopped) {
        return _known(circuitId).stopped;
    }

    /// @inheritdoc IProofGate
    function guardian() external view returns (address account) {
        return _guardian;
    }

    /// @inheritdoc IProofGate
    function circuitIdOf(CircuitInfo calldata info) public pure returns (bytes32 circuitId) {
        return keccak256(
            abi.encode(
                info.vkDigest,
                info.srsDigest,
                info.layoutHash,
                info.statement,
                info.link,
                info.codeHash,
                info.inputCount,
                info.proofLength,
                keccak256(abi.encodePacked(info.groupColumns))
            )
        );
    }

    function _known(bytes32 circuitId) private view returns (Entry storage entry) {
        entry = _entries[circuitId];
        if (entry.verifier == address(0)) revert UnknownCircuit(circuitId);
    }

    function _stop(bytes32 circuitId) private {
        _usable(circuitId).stopped = true;
        emit CircuitStopped(circuitId, msg.sender);
    }

    function _shapeOf(Entry storage entry) private view returns (CircuitShape memory) {
        return CircuitShape({
            statement: entry.statement, link: entry.link, layoutHash: entry.layoutHash, srsDigest: entry.srsDigest
        });
    }

    function _usable(bytes32 circuitId) private view returns (Entry storage entry) {
        entry = _known(circuitId);
        if (entry.stopped) revert StoppedCircuit(circuitId);
    }

    /// Checks that inputs and committed groups are those of the statement, and that the groups fit into the proof.
    function _requireSoundShape(CircuitInfo calldata info) private pure {
        (uint256 inputCount, uint256 groups, bool hasRecords) = _statementShape(info.statement);
        if (info.inputCount != inputCount) revert WrongInputCount(inputCount, info.inputCount);
        bool linked = info.statement == Statements.GRADIENT || info.statement == Statements.EVALUATION;
        if (info.link > 3 || (linked && info.link == 0)) {
            revert WrongLinkCode(info.statement, info.link);
        }
        if (info.groupColumns.length != groups) {
            revert WrongGroupCount(info.statement, groups, info.groupColumns.length);
        }
        uint256 points = 0;
        for (uint256 i = 0; i < groups; ++i) {
            uint16 columns = info.groupColumns[i];
            // records have at least one data column and the label column, every other group exactly one column
            bool sound = hasRecords && i == 0 ? columns >= 2 : columns == 1;
            if (!sound) revert WrongGroupColumns(i, columns);
            points += columns;
        }
        if (info.proofLength % 32 != 0 || info.proofLength < points * POINT_BYTES) {
            revert WrongProofLength(points * POINT_BYTES, info.proofLength);
        }
    }

    function _statementShape(uint8 statement)
        private
        pure
        returns (uint256 inputCount, uint256 groups, bool hasRecords)
    {
        if (statement == Statements.DATASET) {
            return (Statements.DATASET_INPUTS, 1, true);
        }
        if (statement == Statements.GRADIENT) return (Statements.GRADIENT_INPUTS, 3, true);
        if (statement == Statements.OPTIMUM) return (Statements.OPTIMUM_INPUTS, 2, false);
        if (statement == Statements.EVALUATION) return (Statements.EVALUATION_INPUTS, 2, true);
        if (statement == Statements.SERVICE) return (Statements.SERVICE_INPUTS, 1, false);
        revert UnknownStatement(statement);
    }

    function _requireCode(address verifier, bytes32 expected) private view {
        if (verifier.code.length == 0) revert VerifierWithoutCode(verifier);
        bytes32 found = verifier.codehash;
        if (found != expected) revert VerifierCodeChanged(verifier, expected, found);
    }

    function _groupDigests(uint16[] memory groupColumns, bytes calldata proof)
        private
        pure
        returns (bytes32[] memory digests)
    {
        digests = new bytes32[](groupColumns.length);
        uint256 start = 0;
        for (uint256 i = 0; i < groupColumns.length; ++i) {
            uint256 end = start + uint256(groupColumns[i]) * POINT_BYTES;
            for (uint256 offset = start; offset < end; offset += POINT_BYTES) {
                (uint256 x, uint256 y) = abi.decode(proof[offset:offset + POINT_BYTES], (uint256, uint256));
                if (x >= Statements.COORDINATE_MODULUS || y >= Statements.COORDINATE_MODULUS) {
                    revert PointNotCanonical(offset / POINT_BYTES);
                }
            }
            digests[i] = keccak256(proof[start:end]);
            start = end;
        }
    }

    /// What a verifier defers: it reverts with exactly that, and without data when it rejects.
    function _deferred(Entry storage entry, bytes32 circuitId, bytes memory data)
        private
        view
        returns (uint256[] memory opening)
    {
        address verifier = entry.verifier;
        uint256 gasCap = entry.gasCap;
        bool failed;
        uint256 size;
        assembly ("memory-safe") {
            failed := iszero(staticcall(gasCap, verifier, add(data, 0x20), mload(data), 0, 0))
            size := returndatasize()
        }
        if (!failed || !Openings.isSize(size)) revert ProofRejected(circuitId);
        opening = new uint256[](size / 32);
        assembly ("memory-safe") {
            returndatacopy(add(opening, 0x20), 0, size)
        }
    }

    /// Calls a verifier, which returns nothing on success. Assembly, so that its return data is never copied.
    function _accepts(address verifier, uint256 gasCap, bytes memory data) private view returns (bool accepted) {
        assembly ("memory-safe") {
            accepted := staticcall(gasCap, verifier, add(data, 0x20), mload(data), 0, 0)
            accepted := and(accepted, iszero(returndatasize()))
        }
    }
}
