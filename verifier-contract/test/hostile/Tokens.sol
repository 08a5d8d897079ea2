// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// Honest balances behind four misbehaving interfaces.
abstract contract MintableToken is ERC20("Hostile", "HST") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// Keeps one percent of every transfer.
contract FeeToken is MintableToken {
    bool public charging = true;

    function setCharging(bool on) external {
        charging = on;
    }

    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = charging && from != address(0) && to != address(0) ? value / 100 : 0;
        super._update(from, to, value - fee);
        if (fee > 0) super._update(from, address(0), fee);
    }
}

/// Returns false on a failed transfer instead of reverting.
contract FalseToken is MintableToken {
    bool public failing;

    function setFailing(bool on) external {
        failing = on;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return failing ? false : super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return failing ? false : super.transferFrom(from, to, value);
    }
}

/// Returns nothing at all, as some widely used tokens do.
contract NoReturnToken is MintableToken {
    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        assembly {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        super.transferFrom(from, to, value);
        assembly {
            return(0, 0)
        }
    }
}

/// Calls back into whatever it is told to, once, before it moves anything.
contract ReentrantToken is MintableToken {
    address private _target;
    bytes private _call;
    bytes public answer;

    function arm(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function _update(address from, address to, uint256 value) internal override {
        address target = _target;
        if (target != address(0)) {
            _target = address(0);
            (, answer) = target.call(_call);
        }
        super._update(from, to, value);
    }
}

/// Any of the others, switchable, with the interface of the honest test token.
contract MoodyToken is MintableToken {
    enum Mood {
        Honest,
        TakesAFee,
        ReturnsFalse,
        ReturnsNothing,
        Reenters,
        Reverts
    }

    Mood private _mood;
    address private _target;
    bytes private _call;

    function setMood(Mood mood) external {
        _mood = mood;
    }

    function arm(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (_mood == Mood.ReturnsFalse) return false;
        return _answer(super.transfer(to, value));
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (_mood == Mood.ReturnsFalse) return false;
        return _answer(super.transferFrom(from, to, value));
    }

    function _answer(bool ok) private view returns (bool) {
        if (_mood != Mood.ReturnsNothing) return ok;
        assembly {
            return(0, 0)
        }
    }

    function _update(address from, address to, uint256 value) internal override {
        bool moves = from != address(0) && to != address(0);
        if (moves && _mood == Mood.Reverts) revert();
        if (moves && _mood == Mood.Reenters) {
            (bool ok,) = _target.call(_call);
            ok; // refused or not: what counts is what the books say afterwards
        }
        uint256 fee = moves && _mood == Mood.TakesAFee ? (value + 99) / 100 : 0;
        super._update(from, to, value - fee);
        if (fee > 0) super._update(from, address(0), fee);
    }
}
