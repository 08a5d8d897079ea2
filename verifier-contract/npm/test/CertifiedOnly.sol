// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAgentRegistry} from "@tribute/contracts/interfaces/IAgentRegistry.sol";
import {ITribute} from "@tribute/contracts/interfaces/ITribute.sol";

/// @notice Admits certified agent versions: what a contract that installs the package looks like.
contract CertifiedOnly {
    ITribute public immutable TRIBUTE;

    mapping(bytes32 agentId => mapping(uint32 version => bool)) public admitted;

    error NotCertified(bytes32 agentId, uint32 version, IAgentRegistry.Status found);

    constructor(ITribute tribute) {
        TRIBUTE = tribute;
    }

    function admit(bytes32 agentId, uint32 version) external {
        if (!TRIBUTE.isCertified(agentId, version)) {
            revert NotCertified(agentId, version, TRIBUTE.status(agentId, version));
        }
        admitted[agentId][version] = true;
    }
}
