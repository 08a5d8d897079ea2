// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {Statements} from "./libraries/Statements.sol";
import {DatasetRecords} from "./DatasetRecords.sol";

/// @title Training grants: who may train on a dataset, on what terms
/// @notice The part of {IDatasetRegistry} that is about consent.
abstract contract TrainingGrants is DatasetRecords {
    struct GrantEntry {
        // one slot
        uint64 expiry;
        uint32 uses;
        uint32 serial;
        uint16 shards;
        uint16 minShareBps;
        uint16 minDataBps;
        uint8 links;
        bool coversLater;
        // written only if requested
        uint128 minPricePerQuery;
        bytes32 participants;
    }

    address private immutable DEPLOYER;
    address private _agentRegistry;
    mapping(bytes32 root => mapping(address grantee => GrantEntry)) internal _grants;

    constructor() {
        DEPLOYER = msg.sender;
    }

    /// @inheritdoc IDatasetRegistry
    function admit(bytes32 datasetId, address grantee, uint8 link, uint16 dataBps, uint128 pricePerQuery)
        external
        returns (Admission memory admission)
    {
        if (msg.sender != _agentRegistry) revert NotAgentRegistry(msg.sender);
        (bytes32 root, uint32 shards, uint64 records) = _known(datasetId);
        Root storage entry = _roots[root];
        admission.root = root;
        admission.circuitId = entry.circuitId;
        admission.schemaId = entry.schemaId;
        admission.shards = shards;
        admission.records = records;
        admission.minShareBps = entry.minShareBps;

        uint8 links = _linksOf(entry.links);
        uint8 named = entry.links;
        uint16 leastBps = entry.minDataBps;
        uint128 leastPrice = entry.minPricePerQuery;
        if (!entry.openTraining && entry.owner != grantee) {
            GrantEntry storage grant = _grants[root][grantee];
            if (!_isLive(grant)) revert TrainingNotGranted(datasetId, grantee);
            if (!_covers(grant, shards)) revert GrantForOtherVersion(datasetId, grant.shards, shards);
            links &= _linksOf(grant.links);
            named |= grant.links;
            if (grant.minDataBps > leastBps) leastBps = grant.minDataBps;
            if (grant.minPricePerQuery > leastPrice) leastPrice = grant.minPricePerQuery;
            if (grant.minShareBps > admission.minShareBps) admission.minShareBps = grant.minShareBps;
            admission.grantSerial = grant.serial;
            admission.participants = grant.participants;
            uint32 left = grant.uses - 1;
            grant.uses = left;
            emit GrantUsed(root, grantee, grant.serial, left);
        }
        // Under squared loss small changes of the data move shares far, so the wildcard 0 does not include it, except
        // for the owner's own data.
        if (entry.owner != grantee) links &= named | ~Statements.SQUARED_BIT;
        if ((links >> link) & 1 == 0) revert LinkNotAllowed(datasetId, link, links);
        if (dataBps < leastBps) revert DataPartTooLow(datasetId, dataBps, leastBps);
        if (pricePerQuery < leastPrice) revert PriceTooLow(datasetId, pricePerQuery, leastPrice);
    }

    /// @inheritdoc IDatasetRegistry
    function giveBack(bytes32 root, address grantee, uint32 serial) external {
        if (msg.sender != _agentRegistry) revert NotAgentRegistry(msg.sender);
        GrantEntry storage grant = _grants[root][grantee];
        if (grant.serial != serial) return;
        grant.uses += 1;
        emit GrantReturned(root, grantee, serial, grant.uses);
    }

    /// @inheritdoc IDatasetRegistry
    // Zero has no code, so asking it for its gate reverts.
    // slither-disable-next-line missing-zero-check
    function bindAgentRegistry(address registry) external {
        if (msg.sender != DEPLOYER) revert NotDeployer(msg.sender);
        if (_agentRegistry != address(0)) revert AgentRegistryAlreadyBound(_agentRegistry);
        IAgentRegistry agents = IAgentRegistry(registry);
        if (agents.gate() != address(GATE) || agents.datasetRegistry() != address(this)) {
            revert OtherDeployment(registry);
        }
        _agentRegistry = registry;
        emit AgentRegistryBound(registry);
    }

    /// @inheritdoc IDatasetRegistry
    function agentRegistry() external view returns (address) {
        return _agentRegistry;
    }

    /// @inheritdoc IDatasetRegistry
    function trainingGrant(bytes32 datasetId, address grantee) external view returns (Grant memory view_) {
        (bytes32 root,,) = _known(datasetId);
        GrantEntry storage grant = _grants[root][grantee];
        view_ = Grant({
            terms: GrantTerms({
                uses: grant.uses,
                expiry: grant.expiry,
                links: grant.links,
                minShareBps: grant.minShareBps,
                minDataBps: grant.minDataBps,
                minPricePerQuery: grant.minPricePerQuery,
                coversLater: grant.coversLater,
                participants: grant.participants
            }),
            shards: grant.shards,
            serial: grant.serial
        });
    }

    /// @inheritdoc IDatasetRegistry
    function mayTrain(bytes32 datasetId, address account) external view returns (bool allowed) {
        (bytes32 root, uint32 shards,) = _known(datasetId);
        if (_roots[root].openTraining || _roots[root].owner == account) return true;
        GrantEntry storage grant = _grants[root][account];
        return _isLive(grant) && _covers(grant, shards);
    }

    function _grant(bytes32 datasetId, address grantee, GrantTerms calldata terms) internal {
        if (terms.minDataBps > ALL_BPS) revert BasisPointsTooHigh(terms.minDataBps);
        if (terms.minShareBps > ALL_BPS) revert BasisPointsTooHigh(terms.minShareBps);
        if (terms.links & ~Statements.ALL_LINKS != 0) revert UnknownLinks(terms.links);
        (bytes32 root, uint32 shards,) = _known(datasetId);
        GrantEntry storage grant = _grants[root][grantee];
        uint32 serial = grant.serial + 1;
        grant.expiry = terms.expiry;
        grant.uses = terms.uses;
        grant.serial = serial;
        grant.shards = uint16(shards);
        grant.minShareBps = terms.minShareBps;
        grant.minDataBps = terms.minDataBps;
        grant.links = terms.links;
        grant.coversLater = terms.coversLater;
        grant.minPricePerQuery = terms.minPricePerQuery;
        grant.participants = terms.participants;
        emit TrainingGranted(root, grantee, datasetId, serial, terms);
    }

    function _isLive(GrantEntry storage grant) private view returns (bool) {
        return grant.uses > 0 && block.timestamp <= grant.expiry;
    }

    function _covers(GrantEntry storage grant, uint32 shards) private view returns (bool) {
        return shards == grant.shards || (grant.coversLater && shards > grant.shards);
    }

    function _linksOf(uint8 links) private pure returns (uint8) {
        return links == 0 ? Statements.ALL_LINKS : links;
    }
}
