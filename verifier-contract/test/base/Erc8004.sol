// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {IIdentityRegistry, IValidationRegistry} from "../../src/interfaces/IERC8004.sol";

/// ERC-8004's identity registry: agents are tokens.
contract IdentityRegistry is ERC721 {
    uint256 private _count;

    constructor() ERC721("Agents", "AGENT") {}

    function register() external returns (uint256 agentId) {
        agentId = ++_count;
        _mint(msg.sender, agentId);
    }
}

/// ERC-8004's validation registry, from the standard's text: requests by an agent's owner or operator, each hash once;
/// answers by the validator that the request names, any number of times.
contract ValidationRegistry is IValidationRegistry {
    struct Request {
        address validator;
        uint256 agentId;
        uint8 response;
        bytes32 responseHash;
        string tag;
        uint256 lastUpdate;
    }

    event ValidationRequest(
        address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash
    );
    event ValidationResponse(
        address indexed validatorAddress,
        uint256 indexed agentId,
        bytes32 indexed requestHash,
        uint8 response,
        string responseURI,
        bytes32 responseHash,
        string tag
    );

    IdentityRegistry private immutable IDENTITIES;
    mapping(bytes32 requestHash => Request) private _requests;

    constructor(IdentityRegistry identities) {
        IDENTITIES = identities;
    }

    function validationRequest(address validator, uint256 agentId, string calldata uri, bytes32 requestHash) external {
        address owner = IDENTITIES.ownerOf(agentId);
        require(
            msg.sender == owner || IDENTITIES.isApprovedForAll(owner, msg.sender)
                || IDENTITIES.getApproved(agentId) == msg.sender,
            "not the owner"
        );
        require(_requests[requestHash].validator == address(0), "exists");
        Request storage request = _requests[requestHash];
        (request.validator, request.agentId, request.lastUpdate) = (validator, agentId, block.timestamp);
        emit ValidationRequest(validator, agentId, uri, requestHash);
    }

    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        Request storage request = _requests[requestHash];
        require(request.validator != address(0), "unknown");
        require(msg.sender == request.validator, "not the validator");
        require(response <= 100, "response above 100");
        (request.response, request.responseHash, request.tag) = (response, responseHash, tag);
        request.lastUpdate = block.timestamp;
        emit ValidationResponse(msg.sender, request.agentId, requestHash, response, responseURI, responseHash, tag);
    }

    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (address, uint256, uint8, bytes32, string memory, uint256)
    {
        Request storage r = _requests[requestHash];
        require(r.validator != address(0), "unknown");
        return (r.validator, r.agentId, r.response, r.responseHash, r.tag, r.lastUpdate);
    }

    function getIdentityRegistry() external view returns (address) {
        return address(IDENTITIES);
    }
}
