// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "../../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../../src/interfaces/IDatasetRegistry.sol";
import {Statements} from "../../src/libraries/Statements.sol";
import {World} from "./World.sol";

/// Providers, an agent's owner and strangers, training in any order; keeps its own books alongside the contracts'. The
/// verifier accepts every proof: the test is about order, consent and arithmetic.
contract TrainingHandler is World {
    error Counted();
    error Certified(bytes32 datasetId, uint256 weight, uint256 total);
    error Listed();

    struct Book {
        uint256 scalar; // of the sum of the gradients added
        uint256 records;
        uint256 shardsDone;
        bytes32[] sets;
        uint256[] leastShares; // of each, as its owner agreed
        bool[] granted; // whether a use was taken
        int256[] contributions; // of each, of the shards added
        uint256[] done;
    }

    uint256 private constant SETS_MOST = 8;
    uint256 private constant VERSIONS_MOST = 8;
    bytes32[] public sets;
    mapping(bytes32 set => address) private _owner;
    mapping(bytes32 set => uint32) private _shards;
    mapping(bytes32 set => uint256) private _records;
    mapping(bytes32 set => bytes32) private _rootOf;
    mapping(bytes32 root => uint256) public usesGranted;
    mapping(bytes32 root => uint256) public usesTaken;
    mapping(uint32 version => Book) private _books;
    uint32 public versions;
    uint256 public certified;

    constructor() {
        setUp();
        vm.prank(OLGA);
        agent = agents.createAgent("digits", "");
    }

    // ---- data ----------------------------------------------------------------------------------------------------

    function seedOf(bytes32 root, uint32 shard) private pure returns (bytes32) {
        return keccak256(abi.encode(root, shard));
    }

    function register(uint256 who, uint256 records, uint256 leastShare) public {
        if (sets.length >= SETS_MOST) return;
        address owner = [ADA, BEN, OLGA][who % 3];
        uint64 count = uint64(bound(records, 1, 1000));
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms.minShareBps = uint16(leastShare % 4 == 0 ? leastShare % 3000 : 0);
        // the root is not known before its shard is
        bytes32 seed = keccak256(abi.encode("root", sets.length));
        bytes32 id = registerAs(owner, params, seed, count);
        (_owner[id], _shards[id], _records[id], _rootOf[id]) = (owner, 1, count, id);
        sets.push(id);
    }

    function extend(uint256 which, uint256 records) external {
        if (sets.length == 0 || sets.length >= SETS_MOST) return;
        bytes32 previous = sets[which % sets.length];
        bytes32 root = _rootOf[previous];
        uint64 count = uint64(bound(records, 1, 1000));
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms = datasets.dataset(previous).terms;
        uint32 index = _shards[previous];
        IDatasetRegistry.ShardProof[] memory shards =
            oneShard(shardProof(_owner[root], params, seedOf(root, index), index, count));
        vm.prank(_owner[root]);
        try datasets.extend(previous, shards) returns (bytes32 id) {
            (_shards[id], _records[id], _rootOf[id]) = (index + 1, _records[previous] + count, root);
            sets.push(id);
        } catch {} // not the latest
    }

    function grant(uint256 which, uint256 uses, uint256 leastShare, bool later) public {
        if (sets.length == 0) return;
        bytes32 id = sets[which % sets.length];
        bytes32 root = _rootOf[id];
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(uint32(uses % 4));
        terms_.minShareBps = uint16(leastShare % 3 == 0 ? leastShare % 4000 : 0);
        terms_.coversLater = later;
        vm.prank(_owner[root]);
        datasets.grantTraining(id, OLGA, terms_);
        (usesGranted[root], usesTaken[root]) = (terms_.uses, 0);
        // uses taken from the previous grant cannot be returned
        for (uint32 v = 1; v <= versions; ++v) {
            Book storage book = _books[v];
            for (uint256 i = 0; i < book.sets.length; ++i) {
                if (_rootOf[book.sets[i]] == root) book.granted[i] = false;
            }
        }
    }

    // ---- training ------------------------------------------------------------------------------------------------

    function propose(uint256) public {
        if (versions < VERSIONS_MOST) versions = draft(versionParams());
    }

    function list(uint256 which, uint256 set) public {
        if (versions == 0 || sets.length == 0) return;
        uint32 v = uint32(1 + which % versions);
        bytes32 id = sets[set % sets.length];
        bytes32 root = _rootOf[id];
        Book storage book = _books[v];
        uint256 uses = datasets.trainingGrant(id, OLGA).terms.uses;
        uint256 least = datasets.dataset(id).terms.minShareBps;
        bool own = _owner[root] == OLGA;
        uint256 asked = datasets.trainingGrant(id, OLGA).terms.minShareBps;
        if (!own && asked > least) least = asked;
        bytes32[] memory ids = ids1(id);
        vm.prank(OLGA);
        try agents.addDatasets(agent, v, ids) {}
        catch {
            return;
        }
        for (uint256 i = 0; i < book.sets.length; ++i) {
            if (_rootOf[book.sets[i]] == root) revert Listed();
        }
        book.sets.push(id);
        book.leastShares.push(least);
        book.granted.push(!own);
        book.contributions.push(0);
        book.done.push(0);
        book.records += _records[id];
        if (!own) {
            ++usesTaken[root];
            if (uses == 0) revert Listed();
        }
    }

    function closeList(uint256 which) public {
        if (versions == 0) return;
        vm.prank(OLGA);
        try agents.close(agent, uint32(1 + which % versions)) {} catch {}
    }

    function gradient(uint256 which, uint256 set, uint256 shard, int256 value) public {
        if (versions == 0) return;
        version = uint32(1 + which % versions);
        Book storage book = _books[version];
        if (book.sets.length == 0) return;
        set = set % book.sets.length;
        bytes32 id = book.sets[set];
        uint32 index = uint32(shard % _shards[id]);
        bytes32 root = _rootOf[id];
        bytes32 seed = seedOf(root, index);
        if (index == 0) seed = firstSeed(root);
        // mostly positive, and of very different sizes
        value = value % int256(1 << (40 + uint256(value) % 20));
        if (uint256(value) % 7 != 0 && value < 0) value = -value;
        bool counted = agents.gradientAdded(agent, version, id, index);
        IAgentRegistry.GradientProof memory proof = gradientOf(id, index, seed, value);
        vm.prank(MALLORY);
        try agents.addGradients(agent, version, gradients1(proof)) {}
        catch {
            return;
        }
        if (counted) return;
        book.scalar = addmod(book.scalar, gradientScalar(seed), R);
        book.contributions[set] += value;
        ++book.done[set];
        ++book.shardsDone;
    }

    /// The seed of a dataset's first shard, by the order of registration.
    function firstSeed(bytes32 root) private view returns (bytes32) {
        for (uint256 i = 0; i < sets.length; ++i) {
            if (sets[i] == root) return keccak256(abi.encode("root", i));
        }
        return 0;
    }

    function certify(uint256 which) public {
        if (versions == 0) return;
        version = uint32(1 + which % versions);
        Book storage book = _books[version];
        if (book.scalar == 0) return;
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_N] = book.records;
        inputs[Statements.OPTIMUM_NORM] = 620;
        Proof memory proof = accepted(inputs, abi.encodePacked(points(W, 1), curvePoint(book.scalar)));
        try agents.certify(agent, version, proof.inputs, proof.proof) {
            ++certified;
        } catch {}
    }

    function abandon(uint256 which, bool overdue) public {
        if (versions == 0) return;
        uint32 v = uint32(1 + which % versions);
        uint256 state = vm.snapshotState();
        if (overdue) vm.warp(block.timestamp + 91 days);
        vm.prank(overdue ? MALLORY : OLGA);
        try agents.abandon(agent, v) {}
        catch {
            vm.revertToStateAndDelete(state);
            return;
        }
        if (overdue) vm.warp(1_800_000_000);
    }

    function returnUses(uint256 which) public {
        if (versions == 0) return;
        uint32 v = uint32(1 + which % versions);
        Book storage book = _books[v];
        bytes32[] memory ids = book.sets;
        try agents.returnUses(agent, v, ids) {}
        catch {
            return;
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            if (!book.granted[i] || book.done[i] != 0) continue;
            --usesTaken[_rootOf[ids[i]]];
            book.granted[i] = false;
        }
    }

    /// A whole version at once, so that runs reach certificates.
    function train(uint256 seed) external {
        if (versions >= VERSIONS_MOST) return;
        seed = uint256(keccak256(abi.encode(seed))) >> 8;
        propose(0);
        uint256 index = versions - 1;
        for (uint256 i = 0; i < 3; ++i) {
            register(seed + i, 10 + i, seed >> (8 * i));
            if (sets.length == 0) return;
            grant(seed + i, 3, seed >> (16 + 8 * i), true);
            list(index, seed + i);
        }
        closeList(index);
        Book storage book = _books[versions];
        for (uint256 i = 0; i < book.sets.length; ++i) {
            for (uint256 s = 0; s < _shards[book.sets[i]]; ++s) {
                gradient(index, i, s, int256(uint256(keccak256(abi.encode(seed, i, s))) >> 1));
            }
        }
        certify(index);
    }

    // ---- books ---------------------------------------------------------------------------------------------------

    /// Sums in the contract are the sums of what was added, number by number and point by point.
    function sumsAreOfWhatWasAdded() external view returns (bool) {
        for (uint32 v = 1; v <= versions; ++v) {
            Book storage book = _books[v];
            int256 total = 0;
            uint256 positive = 0;
            for (uint256 i = 0; i < book.sets.length; ++i) {
                IAgentRegistry.Contribution memory c = agents.contributionOf(agent, v, book.sets[i]);
                if (c.value != book.contributions[i] || c.shardsDone != book.done[i]) return false;
                if (c.minShareBps != book.leastShares[i]) return false;
                if (book.done[i] != _shards[book.sets[i]]) continue;
                total += book.contributions[i];
                if (book.contributions[i] > 0) positive += uint256(book.contributions[i]);
            }
            IAgentRegistry.Sums memory sums = agents.sumsOf(agent, v);
            IAgentRegistry.Version memory entry = agents.getVersion(agent, v);
            if (sums.total != total || sums.positive != positive) return false;
            if (entry.records != book.records || entry.shardsDone != book.shardsDone) return false;
            bool kept = book.scalar != 0 && !agents.isCertified(agent, v);
            bytes memory point = !kept ? abi.encode(0, 0) : curvePoint(book.scalar);
            if (keccak256(abi.encode(sums.x, sums.y)) != keccak256(point)) return false;
        }
        return true;
    }

    /// In a certified version every dataset has its least share, and all weights sum to the total.
    function nobodyIsBelowTheirLeastShare() external view returns (bool) {
        for (uint32 v = 1; v <= versions; ++v) {
            if (!agents.isCertified(agent, v)) continue;
            Book storage book = _books[v];
            uint256 sum = 0;
            uint256 all = 0;
            for (uint256 i = 0; i < book.sets.length; ++i) {
                (uint256 weight, uint256 total) = agents.rewardWeight(agent, v, book.sets[i]);
                if (weight * 10_000 < book.leastShares[i] * total) return false;
                (sum, all) = (sum + weight, total);
            }
            if (sum != all) return false;
        }
        return true;
    }

    /// Uses of the grant in force: granted, minus taken, plus returned.
    function usesAddUp() external view returns (bool) {
        for (uint256 i = 0; i < sets.length; ++i) {
            if (_rootOf[sets[i]] != sets[i]) continue;
            uint256 left = datasets.trainingGrant(sets[i], OLGA).terms.uses;
            if (left + usesTaken[sets[i]] != usesGranted[sets[i]]) return false;
        }
        return true;
    }
}
