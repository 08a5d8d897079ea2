// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SessionEscrow} from "../../src/SessionEscrow.sol";
import {ISessionEscrow} from "../../src/interfaces/ISessionEscrow.sol";
import {World} from "./World.sol";

/// Clients, the operator and the providers of the world, acting in any order; keeps its own books beside the contract's.
contract EscrowHandler is World {
    error Replayed();
    error Stolen();
    error Trapped();

    uint256 public paidIn;
    uint256 public refunded;
    uint256 public earned;
    uint256 public paidToData;
    uint256 public paidToOwner;
    bytes32[] private _sessions;
    bytes[] private _claimed;
    mapping(bytes32 session => uint256) private _deposit;
    mapping(bytes32 session => uint256) private _refund;

    constructor() {
        setUp();
        certifiedAgent();
    }

    // ---- actions -------------------------------------------------------------------------------------------------

    function openSession(uint256 who, uint256 price, uint256 amount) external {
        if (_sessions.length == 24 || escrow.paused()) return;
        address client = vm.addr(0x1000 + who % 5);
        ISessionEscrow.OpenParams memory params = openParams();
        params.pricePerQuery = uint128(bound(price, PRICE, 1e6));
        params.escrow = uint128(bound(amount, params.pricePerQuery, 1e9));
        token.mint(client, params.escrow);
        vm.prank(client);
        token.approve(address(escrow), params.escrow);
        vm.prank(client);
        bytes32 id = escrow.open(params);
        _sessions.push(id);
        _deposit[id] = params.escrow;
        paidIn += params.escrow;
    }

    function claim(uint256 which, uint256 many, uint256 queries, uint256 transcript) external {
        Slot[] memory slots = new Slot[](bound(many, 1, 3));
        uint256 used = 0;
        for (uint256 i = 0; i < _sessions.length && used < slots.length; ++i) {
            bytes32 id = _sessions[(which % _sessions.length + i) % _sessions.length];
            ISessionEscrow.Session memory session = escrow.getSession(id);
            uint256 affordable = session.remaining / session.pricePerQuery;
            if (affordable == 0) continue;
            uint256 count = bound(queries, 1, affordable);
            slots[used++] = Slot({session: id, after_: transcript % R, queries: count});
            earned += count * session.pricePerQuery;
        }
        if (used == 0) return;
        assembly {
            mstore(slots, used)
        }
        ISessionEscrow.ClaimBatch[] memory batches = one(honestBatch(slots));
        claimAs(OLGA, batches);
        if (_claimed.length < 8) _claimed.push(abi.encode(batches));
    }

    function requestThaw(uint256 which) external {
        (bytes32 id, ISessionEscrow.Session memory session) = _pick(which);
        if (id == 0 || session.thawEnd != 0) return;
        vm.prank(session.client);
        escrow.requestThaw(id, type(uint128).max);
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

    /// Whatever is earned or due is paid while paused: every other action goes on as before.
    function togglePause() external {
        if (escrow.paused()) escrow.unpause();
        else escrow.pause();
    }

    function withdrawProvider(bool ada) external {
        (address owner, bytes32 set) = ada ? (ADA, adaSet) : (BEN, benSet);
        if (escrow.providerDue(agent, version, set) == 0) return;
        vm.prank(owner);
        paidToData += escrow.withdrawProvider(agent, version, set);
    }

    function withdrawOwner() external {
        if (escrow.ownerDue(agent, version) == 0) return;
        vm.prank(OLGA);
        paidToOwner += escrow.withdrawOwner(agent, version);
    }

    /// A batch that was paid once is never paid again, whatever happened since.
    function replayClaim(uint256 which) external {
        if (_claimed.length == 0) return;
        ISessionEscrow.ClaimBatch[] memory again =
            abi.decode(_claimed[which % _claimed.length], (ISessionEscrow.ClaimBatch[]));
        vm.prank(OLGA);
        try escrow.claim(again) {
            revert Replayed();
        } catch {}
    }

    /// Nobody but the rightful owners gets anything out.
    function strangerTakes(uint256 which) external {
        vm.prank(MALLORY);
        try escrow.withdrawProvider(agent, version, which & 1 == 0 ? adaSet : benSet) {
            revert Stolen();
        } catch {}
        vm.prank(MALLORY);
        try escrow.withdrawOwner(agent, version) {
            revert Stolen();
        } catch {}
        if (_sessions.length == 0) return;
        vm.prank(MALLORY);
        try escrow.withdrawThawed(_sessions[which % _sessions.length]) {
            revert Stolen();
        } catch {}
    }

    /// Paused or not, everybody can take everything that is theirs; then it is as if nothing had happened.
    function nobodyIsTrapped() external {
        uint256 state = vm.snapshotState();
        this.withdrawOwner();
        this.withdrawProvider(true);
        this.withdrawProvider(false);
        for (uint256 i = 0; i < _sessions.length; ++i) {
            ISessionEscrow.Session memory session = escrow.getSession(_sessions[i]);
            if (session.remaining == 0) continue;
            if (session.thawEnd == 0) {
                vm.prank(session.client);
                escrow.requestThaw(_sessions[i], type(uint128).max);
            }
            vm.warp(block.timestamp + THAW);
            vm.prank(session.client);
            escrow.withdrawThawed(_sessions[i]);
        }
        if (escrow.totalEscrow() != 0 || escrow.liabilities() > 1) revert Trapped();
        vm.revertToStateAndDelete(state);
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

    /// Every session's deposit is what is left, what came back and each counted query's price, once.
    function countsArePaidOnce() external view returns (bool) {
        for (uint256 i = 0; i < _sessions.length; ++i) {
            bytes32 id = _sessions[i];
            ISessionEscrow.Session memory session = escrow.getSession(id);
            uint256 paid = session.count * session.pricePerQuery;
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
