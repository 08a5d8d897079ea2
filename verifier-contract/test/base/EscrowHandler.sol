// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SessionEscrow} from "../../src/SessionEscrow.sol";
import {IAgreedWeights} from "../../src/interfaces/IAgreedWeights.sol";
import {ISessionEscrow} from "../../src/interfaces/ISessionEscrow.sol";
import {Weighing} from "./Weighing.sol";

/// Clients, the operator and the providers of the world, acting in any order; keeps its own books alongside the
/// contract's.
contract EscrowHandler is Weighing {
    error Replayed();
    error Stolen();
    error Trapped();

    uint256 public paidIn;
    uint256 public refunded;
    uint256 public paidToData;
    uint256 public paidToOwner;
    uint256 public settled;
    uint256 public changes;
    uint256 public objections;
    mapping(bytes32 set => uint256) private _paidTo;
    // in billionths of a base unit, by the weights in force when it accrued
    mapping(bytes32 set => uint256) private _earned;
    uint256 private _accrued;
    bytes32[] private _sessions;
    bytes[] private _claimed;
    mapping(bytes32 session => uint256) private _deposit;
    mapping(bytes32 session => uint256) private _refund;
    mapping(bytes32 session => uint256) private _key;

    constructor() {
        setUp();
        certifiedAgent();
        registerTestSet();
        acceptAs(ADA, adaSet);
        acceptAs(BEN, benSet);
    }

    // ---- actions -------------------------------------------------------------------------------------------------

    function openSession(uint256 who, uint256 price, uint256 amount) external {
        if (_sessions.length == 24 || escrow.paused() || stopped()) return;
        uint256 key = 0x1000 + who % 5;
        address client = vm.addr(key);
        ISessionEscrow.OpenParams memory params = openParams();
        params.pricePerQuery = uint128(bound(price, PRICE, 1e6));
        params.escrow = uint128(bound(amount, params.pricePerQuery, 1e9));
        fundWith(client, params.escrow);
        vm.prank(client);
        bytes32 id = escrow.open(params);
        _sessions.push(id);
        _key[id] = key;
        _deposit[id] = params.escrow;
        paidIn += params.escrow;
    }

    function topUp(uint256 which, uint256 amount) external {
        (bytes32 id,) = _pick(which);
        if (id == 0 || escrow.paused() || stopped()) return;
        amount = bound(amount, 1, 1e7);
        fundWith(BEN, amount);
        vm.prank(BEN);
        escrow.topUp(id, uint128(amount));
        _deposit[id] += amount;
        paidIn += amount;
    }

    /// Proven queries, sometimes more than the escrow covers.
    function claim(uint256 which, uint256 many, uint256 queries, uint256 transcript) external {
        if (stopped()) return;
        Slot[] memory slots = new Slot[](bound(many, 1, 3));
        uint256 used = 0;
        for (uint256 i = 0; i < _sessions.length && used < slots.length; ++i) {
            bytes32 id = _sessions[(which % _sessions.length + i) % _sessions.length];
            ISessionEscrow.Session memory session = escrow.getSession(id);
            uint256 affordable = session.remaining / session.pricePerQuery;
            slots[used++] =
                Slot({session: id, after_: transcript % R, queries: bound(queries, 1, affordable + 1 + queries % 3)});
        }
        if (used == 0) return;
        assembly {
            mstore(slots, used)
        }
        ISessionEscrow.ClaimBatch[] memory batches = one(honestBatch(slots));
        claimAs(OLGA, batches);
        _note();
        if (_claimed.length < 8) _claimed.push(abi.encode(batches));
    }

    /// A settlement signed by the client, true or not.
    function settle(uint256 which, uint256 queries) external {
        (bytes32 id, ISessionEscrow.Session memory session) = _pick(which);
        if (id == 0 || session.remaining < session.pricePerQuery) return;
        uint64 count = session.paid + uint64(bound(queries, 1, 1e6));
        bytes memory signature = sign(_key[id], escrow.settlementDigest(id, count));
        escrow.settle(id, count, signature);
        _note();
        ++settled;
    }

    function requestThaw(uint256 which, uint256 amount) external {
        (bytes32 id, ISessionEscrow.Session memory session) = _pick(which);
        if (id == 0 || session.thawEnd != 0) return;
        vm.prank(session.client);
        escrow.requestThaw(id, uint128(bound(amount, 1, 2 * uint256(session.remaining) + 1)));
    }

    function cancelThaw(uint256 which) external {
        (bytes32 id, ISessionEscrow.Session memory session) = _pick(which);
        if (id == 0 || session.thawEnd == 0) return;
        vm.prank(session.client);
        escrow.cancelThaw(id);
    }

    function withdrawThawed(uint256 which) external {
        (bytes32 id, ISessionEscrow.Session memory session) = _pick(which);
        if (id == 0 || session.remaining == 0 || session.thawEnd == 0) return;
        if (block.timestamp < session.thawEnd) vm.warp(session.thawEnd);
        vm.prank(session.client);
        uint256 amount = escrow.withdrawThawed(id);
        _refund[id] += amount;
        refunded += amount;
    }

    /// Rewards and refunds are paid while paused: all other actions work as before.
    function togglePause() external {
        if (escrow.paused()) escrow.unpause();
        else escrow.pause();
    }

    /// The service circuit is stopped permanently, in some of the runs.
    function stopService(uint256 dice) external {
        if (dice % 8 == 0 && !stopped()) gate.stop(serviceCircuit);
    }

    function withdrawProvider(bool ada) external {
        bytes32 set = ada ? adaSet : benSet;
        if (escrow.providerDue(agent, version, set) == 0) return;
        vm.prank(MALLORY);
        uint256 amount = escrow.withdrawProvider(agent, version, set);
        _paidTo[set] += amount;
        paidToData += amount;
    }

    function withdrawOwner() external {
        if (escrow.ownerDue(agent, version) == 0) return;
        vm.prank(MALLORY);
        paidToOwner += escrow.withdrawOwner(agent, version);
    }

    /// A batch that was paid once is never paid again, whatever happened since.
    function replayClaim(uint256 which) external {
        if (_claimed.length == 0 || stopped()) return;
        ISessionEscrow.ClaimBatch[] memory again =
            abi.decode(_claimed[which % _claimed.length], (ISessionEscrow.ClaimBatch[]));
        uint256 before = earned();
        vm.prank(MALLORY);
        escrow.claim(again);
        if (earned() != before) revert Replayed();
    }

    /// Only the rightful owners can withdraw anything.
    function strangerTakes(uint256 which) external {
        if (token.balanceOf(MALLORY) != 0) revert Stolen();
        if (_sessions.length == 0) return;
        bytes32 id = _sessions[which % _sessions.length];
        vm.prank(MALLORY);
        try escrow.withdrawThawed(id) {
            revert Stolen();
        } catch {}
        bytes memory signature = sign(0xbad, escrow.settlementDigest(id, 1e9));
        vm.prank(MALLORY);
        try escrow.settle(id, 1e9, signature) {
            revert Stolen();
        } catch {}
    }

    /// Paused or stopped, everybody can withdraw everything that is theirs; the state is then restored.
    function nobodyIsTrapped() external {
        uint256 state = vm.snapshotState();
        this.withdrawOwner();
        this.withdrawProvider(true);
        this.withdrawProvider(false);
        for (uint256 i = 0; i < _sessions.length; ++i) {
            ISessionEscrow.Session memory session = escrow.getSession(_sessions[i]);
            if (session.remaining == 0) continue;
            if (session.thawEnd != 0) {
                vm.prank(session.client);
                escrow.cancelThaw(_sessions[i]);
            }
            vm.prank(session.client);
            escrow.requestThaw(_sessions[i], type(uint128).max);
            vm.warp(block.timestamp + THAW);
            vm.prank(session.client);
            escrow.withdrawThawed(_sessions[i]);
        }
        if (escrow.totalEscrow() != 0 || escrow.liabilities() > 1 + changes) revert Trapped();
        vm.revertToStateAndDelete(state);
    }

    /// Both owners sign weights, which are then in force.
    function agree(uint256 ada) external {
        if (changes == 32) return;
        agreeOn(uint64(bound(ada, 0, ONE)));
        ++changes;
    }

    /// The attester proposes weights that both owners accept beforehand, unless one of them has objected before.
    function attest(uint256 ada) external {
        if (weights.refusedBefore(agent, version, adaSet) || weights.refusedBefore(agent, version, benSet)) return;
        if (weights.stateOf(agent, version).waiting != 0) return;
        attestTo(uint64(bound(ada, 0, ONE)));
    }

    function enforce() external {
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        if (state.waiting == 0 || changes == 32) return;
        if (block.timestamp < state.until) vm.warp(state.until);
        weights.enforce(agent, version);
        ++changes;
    }

    function objectTo(bool ada) external {
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        if (state.waiting == 0 || block.timestamp >= state.until) return;
        vm.prank(ada ? ADA : BEN);
        weights.object(agent, version, state.round, ada ? adaSet : benSet);
        ++objections;
    }

    /// Divides what accrued since the last call by the weights in force.
    function _note() private {
        uint256 accrued = escrow.dataAccrued(agent, version);
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 set = i == 0 ? adaSet : benSet;
            (uint256 weight, uint256 total) = weights.weightOf(agent, version, set);
            _earned[set] += (accrued - _accrued) * 1e9 * weight / total;
        }
        _accrued = accrued;
    }

    function fundWith(address payer, uint256 amount) private {
        token.mint(payer, amount);
        vm.prank(payer);
        token.approve(address(escrow), amount);
    }

    // ---- books ---------------------------------------------------------------------------------------------------

    function world() external view returns (SessionEscrow, bytes32, uint32) {
        return (escrow, agent, version);
    }

    function balance() external view returns (uint256) {
        return token.balanceOf(address(escrow));
    }

    function dueToData() external view returns (uint256) {
        return escrow.providerDue(agent, version, adaSet) + escrow.providerDue(agent, version, benSet);
    }

    /// Each dataset has, paid and due together, what it earned by the weights of the time, but for the rounding of each
    /// change.
    function earnedByTheWeightsOfTheTime() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 set = i == 0 ? adaSet : benSet;
            uint256 has = (_paidTo[set] + escrow.providerDue(agent, version, set)) * 1e9;
            // the books round down too, by less than one for each claim
            if (has > _earned[set] + 1e6 || has + (1 + changes) * 1e9 < _earned[set]) return false;
        }
        return true;
    }

    function stopped() public view returns (bool) {
        return gate.isStopped(serviceCircuit);
    }

    /// Total price of all sessions' paid queries.
    function earned() public view returns (uint256 sum) {
        for (uint256 i = 0; i < _sessions.length; ++i) {
            ISessionEscrow.Session memory session = escrow.getSession(_sessions[i]);
            sum += session.paid * session.pricePerQuery;
        }
    }

    function queriesPaid() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _sessions.length; ++i) {
            sum += escrow.getSession(_sessions[i]).paid;
        }
    }

    /// Every session's deposit is what is left, what came back and each paid query's price, once.
    function countsArePaidOnce() external view returns (bool) {
        for (uint256 i = 0; i < _sessions.length; ++i) {
            bytes32 id = _sessions[i];
            ISessionEscrow.Session memory session = escrow.getSession(id);
            uint256 paid = session.paid * session.pricePerQuery;
            if (_deposit[id] != session.remaining + _refund[id] + paid) return false;
        }
        return true;
    }

    function sumOfRemainders() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _sessions.length; ++i) {
            sum += escrow.getSession(_sessions[i]).remaining;
        }
    }

    function _pick(uint256 which) private view returns (bytes32 id, ISessionEscrow.Session memory session) {
        if (_sessions.length == 0) return (0, session);
        id = _sessions[which % _sessions.length];
        session = escrow.getSession(id);
    }
}
