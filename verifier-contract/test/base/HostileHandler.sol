// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TestToken} from "../../src/tokens/TestToken.sol";
import {MoodyToken} from "../hostile/Tokens.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// The same actions with a token of changing behaviour. A call that the token makes fail changes nothing, neither in
/// the contract nor in the handler's books.
contract HostileHandler is EscrowHandler {
    uint256 public spoiled;

    function newToken() internal override returns (TestToken) {
        // the same surface: mint, approve and the calls of ERC-20
        return TestToken(address(new MoodyToken()));
    }

    function act(uint8 mood, uint8 action, uint256 a, uint256 b, uint256 c) external {
        MoodyToken moody = MoodyToken(address(token));
        moody.setMood(MoodyToken.Mood(mood % 6));
        moody.arm(address(escrow), callBack(c));
        (bool done,) = address(this).call(callOf(action % 12, a, b, c));
        if (!done) ++spoiled;
        moody.setMood(MoodyToken.Mood.Honest);
    }

    function callOf(uint8 action, uint256 a, uint256 b, uint256 c) private view returns (bytes memory) {
        if (action == 0) return abi.encodeCall(this.openSession, (a, b, c));
        if (action == 1) return abi.encodeCall(this.claim, (a, b, c, a ^ b));
        if (action == 2) return abi.encodeCall(this.requestThaw, (a, b));
        if (action == 3) return abi.encodeCall(this.withdrawThawed, (a));
        if (action == 4) return abi.encodeCall(this.withdrawProvider, (a & 1 == 0));
        if (action == 5) return abi.encodeCall(this.withdrawOwner, ());
        if (action == 6) return abi.encodeCall(this.topUp, (a, b));
        if (action == 7) return abi.encodeCall(this.settle, (a, b));
        if (action == 8) return abi.encodeCall(this.stopService, (a));
        if (action == 9) return abi.encodeCall(this.strangerTakes, (a));
        if (action == 10) return abi.encodeCall(this.agree, (a));
        return weights.stateOf(agent, version).waiting == 0
            ? abi.encodeCall(this.attest, (a))
            : abi.encodeCall(this.enforce, ());
    }

    function callBack(uint256 which) private view returns (bytes memory) {
        if (which % 4 == 0) return abi.encodeCall(escrow.open, (openParams()));
        if (which % 4 == 1) return abi.encodeCall(escrow.topUp, (escrow.sessionIdOf(CLEO, 0), 1));
        if (which % 4 == 2) return abi.encodeCall(escrow.withdrawOwner, (agent, version));
        return abi.encodeCall(escrow.withdrawProvider, (agent, version, adaSet));
    }
}
