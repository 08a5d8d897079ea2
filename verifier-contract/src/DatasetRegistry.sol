// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Statements} from "./libraries/Statements.sol";
import {SignedMessages} from "./SignedMessages.sol";

/// @title Dataset registry
/// @notice See {IDatasetRegistry}. Nobody can change a version of a dataset after registration, not even its owner. Calls
/// can be made together (`multicall`): a dataset is registered and granted in one transaction.
contract DatasetRegistry is IDatasetRegistry, SignedMessages, Multicall {
    uint16 private constant ALL_BPS = 10_000;
    uint256 private constant SHARDS_MOST = type(uint16).max;

    bytes32 private constant REGISTER_TYPEHASH = keccak256(
        "RegisterDataset(address owner,bytes32 schemaId,bytes32 circuitId,uint16 minDataBps,bool openTraining,uint16 minShareBps,uint128 minPricePerQuery,uint8 links,bytes32[] shards,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant EXTEND_TYPEHASH =
        keccak256("ExtendDataset(bytes32 previousId,bytes32[] shards,uint256 nonce,uint256 deadline)");
    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "GrantTraining(bytes32 datasetId,address grantee,uint32 serial,uint32 uses,uint64 expiry,uint8 links,uint16 minShareBps,uint16 minDataBps,uint128 minPricePerQuery,bool coversLater,bytes32 participants,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ACCEPT_TYPEHASH =
        keccak256("AcceptDataset(bytes32 datasetId,uint256 nonce,uint256 deadline)");
    bytes32 private constant PAYOUT_TYPEHASH =
        keccak256("SetPayout(bytes32 datasetId,address payout,uint256 nonce,uint256 deadline)");

    /// All versions of a dataset; every registration writes four slots and two for each shard.
    struct Root {
        // one slot
        address owner;
        uint16 minDataBps;
        bool openTraining;
        uint16 minShareBps;
        uint8 links;
        // one slot
        uint128 minPricePerQuery;
        uint16 firstShards;
        uint32 firstRecords;
        uint16 shards; // of the latest version
        bytes32 schemaId;
        bytes32 circuitId;
        // written only when used
        address offeredTo;
        address payout;
        mapping(uint256 index => bytes32) digests;
    }

    /// A version after the first.
    struct Later {
        bytes32 root;
        uint16 shards;
        uint32 records;
    }

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
        // written only when asked for
        uint128 minPricePerQuery;
        bytes32 participants;
    }

    /// What proofs of shards must be about.
    struct Expected {
        address owner;
        bytes32 schemaId;
        bytes32 circuitId;
        bytes32 layoutHash;
        bytes32 terms;
        uint256 first; // the first of the shards
        uint64 records; // of the shards before
    }

    /// What they proved.
    struct Proven {
        bytes32[] digests;
        uint64[] counts;
        uint64 records; // of all shards, those before included
    }

    IProofGate private immutable GATE;
    address private immutable DEPLOYER;

    address private _agentRegistry;
    mapping(bytes32 root => Root) private _roots;
    mapping(bytes32 datasetId => Later) private _laters;
    mapping(bytes32 shardDigest => bytes32 root) private _rootOfShard;
    mapping(bytes32 root => mapping(address grantee => GrantEntry)) private _grants;

    /// @param proofGate The proof gate that checks registrations.
    constructor(IProofGate proofGate) EIP712("Tribute", "1") {
        GATE = proofGate;
        DEPLOYER = msg.sender;
    }

    /// @inheritdoc IDatasetRegistry
    function register(RegisterParams calldata params, ShardProof[] calldata shards)
        external
        returns (bytes32 datasetId)
    {
        // its shards' digests matter to a signer only
        // slither-disable-next-line unused-return
        (datasetId,) = _register(msg.sender, params, shards);
    }

    /// @inheritdoc IDatasetRegistry
    function registerFor(
        address owner,
        RegisterParams calldata params,
        ShardProof[] calldata shards,
        Authority calldata authority
    ) external returns (bytes32 datasetId) {
        bytes32[] memory digests;
        (datasetId, digests) = _register(owner, params, shards);
        _requireSigned(owner, _registerStruct(owner, params, digests, authority.nonce, authority.deadline), authority);
    }

    /// @inheritdoc IDatasetRegistry
    function extend(bytes32 previousId, ShardProof[] calldata shards) external returns (bytes32 datasetId) {
        _requireOwner(previousId);
        // slither-disable-next-line unused-return
        (datasetId,) = _extend(previousId, shards);
    }

    /// @inheritdoc IDatasetRegistry
    function extendFor(bytes32 previousId, ShardProof[] calldata shards, Authority calldata authority)
        external
        returns (bytes32 datasetId)
    {
        bytes32[] memory digests;
        (datasetId, digests) = _extend(previousId, shards);
        bytes32 message = _extendStruct(previousId, digests, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(previousId), message, authority);
    }

    /// @inheritdoc IDatasetRegistry
    function grantTraining(bytes32 datasetId, address grantee, GrantTerms calldata terms) external {
        _requireOwner(datasetId);
        _grant(datasetId, grantee, terms);
    }

    /// @inheritdoc IDatasetRegistry
    function grantTrainingFor(
        bytes32 datasetId,
        address grantee,
        GrantTerms calldata terms,
        Authority calldata authority
    ) external {
        bytes32 message = _grantStruct(datasetId, grantee, terms, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(datasetId), message, authority);
        _grant(datasetId, grantee, terms);
    }

    /// @inheritdoc IDatasetRegistry
    // Zero takes an offer back.
    // slither-disable-next-line missing-zero-check
    function offerDataset(bytes32 datasetId, address to) external {
        (bytes32 root, Root storage entry) = _requireOwner(datasetId);
        entry.offeredTo = to;
        emit DatasetOffered(root, msg.sender, to);
    }

    /// @inheritdoc IDatasetRegistry
    function acceptDataset(bytes32 datasetId) external {
        _accept(datasetId, msg.sender);
    }

    /// @inheritdoc IDatasetRegistry
    function acceptDatasetFor(bytes32 datasetId, Authority calldata authority) external {
        (bytes32 root,,) = _known(datasetId);
        address to = _roots[root].offeredTo;
        if (to == address(0)) revert NotOffered(datasetId, to);
        _requireSigned(to, _acceptStruct(datasetId, authority.nonce, authority.deadline), authority);
        _accept(datasetId, to);
    }

    /// @inheritdoc IDatasetRegistry
    function setPayout(bytes32 datasetId, address payout) external {
        _requireOwner(datasetId);
        _setPayout(datasetId, payout);
    }

    /// @inheritdoc IDatasetRegistry
    function setPayoutFor(bytes32 datasetId, address payout, Authority calldata authority) external {
        bytes32 message = _payoutStruct(datasetId, payout, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(datasetId), message, authority);
        _setPayout(datasetId, payout);
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
        // Shares under squared loss move with little: no wildcard stands for it, but on one's own data.
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
    function gate() external view returns (address) {
        return address(GATE);
    }

    /// @inheritdoc IDatasetRegistry
    function agentRegistry() external view returns (address) {
        return _agentRegistry;
    }

    /// @inheritdoc IDatasetRegistry
    function dataset(bytes32 datasetId) external view returns (Dataset memory view_) {
        (bytes32 root, uint32 shards, uint64 records) = _known(datasetId);
        Root storage entry = _roots[root];
        IProofGate.CircuitShape memory shape = GATE.shapeOf(entry.circuitId);
        view_ = Dataset({
            owner: entry.owner,
            terms: _termsOf(entry),
            root: root,
            shards: shards,
            records: records,
            schemaId: entry.schemaId,
            circuitId: entry.circuitId,
            layoutHash: shape.layoutHash,
            srsDigest: shape.srsDigest
        });
    }

    /// @inheritdoc IDatasetRegistry
    function versionOf(bytes32 datasetId) external view returns (bytes32 root, uint32 shards) {
        (root, shards,) = _known(datasetId);
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOwner(bytes32 datasetId) external view returns (address owner) {
        return _ownerOf(datasetId);
    }

    /// @inheritdoc IDatasetRegistry
    function offeredTo(bytes32 datasetId) external view returns (address account) {
        (bytes32 root,,) = _known(datasetId);
        return _roots[root].offeredTo;
    }

    /// @inheritdoc IDatasetRegistry
    function payoutOf(bytes32 datasetId) external view returns (address account) {
        (bytes32 root,,) = _known(datasetId);
        account = _roots[root].payout;
        if (account == address(0)) account = _roots[root].owner;
    }

    /// @inheritdoc IDatasetRegistry
    function shardDigest(bytes32 datasetId, uint256 shard) external view returns (bytes32 digest) {
        (,, digest) = shardOf(datasetId, shard);
    }

    /// @inheritdoc IDatasetRegistry
    function shardDigests(bytes32 datasetId) external view returns (bytes32[] memory digests) {
        (bytes32 root, uint32 shards,) = _known(datasetId);
        digests = new bytes32[](shards);
        for (uint256 i = 0; i < shards; ++i) {
            digests[i] = _roots[root].digests[i];
        }
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOfShard(bytes32 digest) external view returns (bytes32 root) {
        return _rootOfShard[digest];
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

    /// @inheritdoc IDatasetRegistry
    function shardContext(
        address owner,
        RegisterParams calldata params,
        bytes32 layoutHash,
        uint32 shardIndex,
        uint64 records
    ) external view returns (uint256 ctx) {
        bytes32 terms = _termsHash(params.terms);
        return Statements.datasetContext(owner, params.schemaId, layoutHash, shardIndex, records, terms);
    }

    /// @inheritdoc IDatasetRegistry
    function registerDigest(
        address owner,
        RegisterParams calldata params,
        bytes32[] calldata digests,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest) {
        return _hashTypedDataV4(_registerStruct(owner, params, digests, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function extendDigest(bytes32 previousId, bytes32[] calldata digests, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_extendStruct(previousId, digests, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function grantDigest(bytes32 datasetId, address grantee, GrantTerms calldata terms, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_grantStruct(datasetId, grantee, terms, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function acceptDigest(bytes32 datasetId, uint256 nonce, uint256 deadline) external view returns (bytes32 digest) {
        return _hashTypedDataV4(_acceptStruct(datasetId, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function payoutDigest(bytes32 datasetId, address payout, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_payoutStruct(datasetId, payout, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function shardOf(bytes32 datasetId, uint256 shard)
        public
        view
        returns (bytes32 root, uint32 shards, bytes32 digest)
    {
        (root, shards,) = _known(datasetId);
        if (shard >= shards) revert ShardOutOfRange(datasetId, shard, shards);
        digest = _roots[root].digests[shard];
    }

    function _register(address owner, RegisterParams calldata params, ShardProof[] calldata shards)
        private
        returns (bytes32 datasetId, bytes32[] memory digests)
    {
        Terms calldata terms = params.terms;
        if (terms.minDataBps > ALL_BPS) revert BasisPointsTooHigh(terms.minDataBps);
        if (terms.minShareBps > ALL_BPS) revert BasisPointsTooHigh(terms.minShareBps);
        if (terms.links & ~Statements.ALL_LINKS != 0) revert UnknownLinks(terms.links);

        bytes32 layoutHash = _requireCircuit(params.circuitId);
        Proven memory proven = _checkShards(
            Expected(owner, params.schemaId, params.circuitId, layoutHash, _termsHash(terms), 0, 0), shards
        );
        digests = proven.digests;

        datasetId = Statements.datasetIdOf(params.schemaId, layoutHash, proven.records, digests);
        Root storage entry = _roots[datasetId];
        entry.owner = owner;
        entry.minDataBps = terms.minDataBps;
        entry.openTraining = terms.openTraining;
        entry.minShareBps = terms.minShareBps;
        entry.links = terms.links;
        entry.minPricePerQuery = terms.minPricePerQuery;
        entry.firstShards = uint16(digests.length);
        entry.firstRecords = uint32(proven.records);
        entry.shards = uint16(digests.length);
        entry.schemaId = params.schemaId;
        entry.circuitId = params.circuitId;
        emit DatasetRegistered(
            datasetId,
            owner,
            params.schemaId,
            params.circuitId,
            layoutHash,
            proven.records,
            uint32(digests.length),
            terms
        );
        _addShards(datasetId, datasetId, 0, proven);
    }

    function _extend(bytes32 previousId, ShardProof[] calldata shards)
        private
        returns (bytes32 datasetId, bytes32[] memory added)
    {
        (bytes32 root, uint32 before, uint64 recordsBefore) = _known(previousId);
        Root storage entry = _roots[root];
        if (before != entry.shards) revert NotLatest(previousId, before, entry.shards);
        bytes32 layoutHash = _requireCircuit(entry.circuitId);
        bytes32 terms = _termsHash(_termsOf(entry));
        Proven memory proven = _checkShards(
            Expected(entry.owner, entry.schemaId, entry.circuitId, layoutHash, terms, before, recordsBefore), shards
        );
        added = proven.digests;

        bytes32[] memory digests = new bytes32[](before + added.length);
        for (uint256 i = 0; i < before; ++i) {
            digests[i] = entry.digests[i];
        }
        for (uint256 i = 0; i < added.length; ++i) {
            digests[before + i] = added[i];
        }
        datasetId = Statements.datasetIdOf(entry.schemaId, layoutHash, proven.records, digests);
        _laters[datasetId] = Later({root: root, shards: uint16(digests.length), records: uint32(proven.records)});
        entry.shards = uint16(digests.length);
        emit DatasetExtended(datasetId, root, previousId, proven.records, uint32(digests.length));
        _addShards(datasetId, root, before, proven);
    }

    /// The circuit can be used and proves datasets; the hash of its layout.
    function _requireCircuit(bytes32 circuitId) private view returns (bytes32 layoutHash) {
        IProofGate.CircuitShape memory shape = GATE.usableShape(circuitId);
        if (shape.statement != Statements.DATASET) {
            revert WrongStatement(circuitId, Statements.DATASET, shape.statement);
        }
        return shape.layoutHash;
    }

    function _checkShards(Expected memory expected, ShardProof[] calldata shards)
        private
        view
        returns (Proven memory proven)
    {
        if (shards.length == 0) revert NoShards();
        if (expected.first + shards.length > SHARDS_MOST) revert TooManyShards(expected.first + shards.length);
        proven.digests = new bytes32[](shards.length);
        proven.counts = new uint64[](shards.length);
        proven.records = expected.records;
        for (uint256 i = 0; i < shards.length; ++i) {
            ShardProof calldata shard = shards[i];
            uint256 index = expected.first + i;
            // The gate has checked the number of inputs by the time they are read.
            proven.digests[i] = GATE.check(expected.circuitId, shard.inputs, shard.proof)[Statements.DATASET_GROUP_XY];
            uint256 count = shard.inputs[Statements.DATASET_N];
            if (count == 0 || count >> Statements.COUNT_LIMIT_BITS != 0) revert WrongRecordCount(index, count);
            proven.counts[i] = uint64(count);
            proven.records += uint64(count);
            if (proven.records >> Statements.COUNT_LIMIT_BITS != 0) revert WrongRecordCount(index, proven.records);
            _requireContext(expected, index, uint64(count), shard.inputs[Statements.CTX]);
        }
    }

    function _requireContext(Expected memory expected, uint256 index, uint64 count, uint256 proven) private view {
        uint256 ctx = Statements.datasetContext(
            expected.owner, expected.schemaId, expected.layoutHash, uint32(index), count, expected.terms
        );
        if (proven != ctx) revert WrongContext(index, ctx, proven);
    }

    /// A shard is in one dataset only, even if the circuit of that one is stopped: the same records are committed anew then.
    function _addShards(bytes32 datasetId, bytes32 root, uint256 first, Proven memory proven) private {
        Root storage entry = _roots[root];
        for (uint256 i = 0; i < proven.digests.length; ++i) {
            bytes32 digest = proven.digests[i];
            bytes32 holder = _rootOfShard[digest];
            if (holder != bytes32(0)) revert DigestRegistered(digest, holder);
            _rootOfShard[digest] = root;
            entry.digests[first + i] = digest;
            emit ShardRegistered(datasetId, uint32(first + i), digest, proven.counts[i]);
        }
    }

    function _grant(bytes32 datasetId, address grantee, GrantTerms calldata terms) private {
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

    function _accept(bytes32 datasetId, address to) private {
        (bytes32 root,,) = _known(datasetId);
        Root storage entry = _roots[root];
        if (entry.offeredTo != to) revert NotOffered(datasetId, entry.offeredTo);
        emit DatasetTransferred(root, entry.owner, to);
        entry.owner = to;
        entry.offeredTo = address(0);
        entry.payout = address(0);
    }

    function _setPayout(bytes32 datasetId, address payout) private {
        (bytes32 root,,) = _known(datasetId);
        _roots[root].payout = payout;
        emit PayoutChanged(root, payout);
    }

    function _known(bytes32 datasetId) private view returns (bytes32 root, uint32 shards, uint64 records) {
        Root storage first = _roots[datasetId];
        if (first.owner != address(0)) return (datasetId, first.firstShards, first.firstRecords);
        Later storage later = _laters[datasetId];
        if (later.root == bytes32(0)) revert UnknownDataset(datasetId);
        return (later.root, later.shards, later.records);
    }

    function _ownerOf(bytes32 datasetId) private view returns (address) {
        (bytes32 root,,) = _known(datasetId);
        return _roots[root].owner;
    }

    function _requireOwner(bytes32 datasetId) private view returns (bytes32 root, Root storage entry) {
        (root,,) = _known(datasetId);
        entry = _roots[root];
        if (entry.owner != msg.sender) revert NotDatasetOwner(datasetId, msg.sender);
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

    function _termsOf(Root storage entry) private view returns (Terms memory) {
        return Terms({
            minDataBps: entry.minDataBps,
            openTraining: entry.openTraining,
            minShareBps: entry.minShareBps,
            minPricePerQuery: entry.minPricePerQuery,
            links: entry.links
        });
    }

    function _termsHash(Terms memory terms) private pure returns (bytes32) {
        return Statements.termsHash(
            terms.minDataBps, terms.openTraining, terms.minShareBps, terms.minPricePerQuery, terms.links
        );
    }

    function _registerStruct(
        address owner,
        RegisterParams calldata params,
        bytes32[] memory digests,
        uint256 nonce,
        uint256 deadline
    ) private pure returns (bytes32) {
        Terms calldata terms = params.terms;
        // every part is a whole number of words
        return keccak256(
            bytes.concat(
                abi.encode(REGISTER_TYPEHASH, owner, params.schemaId, params.circuitId),
                abi.encode(
                    terms.minDataBps, terms.openTraining, terms.minShareBps, terms.minPricePerQuery, terms.links
                ),
                abi.encode(keccak256(abi.encodePacked(digests)), nonce, deadline)
            )
        );
    }

    function _extendStruct(bytes32 previousId, bytes32[] memory digests, uint256 nonce, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(EXTEND_TYPEHASH, previousId, keccak256(abi.encodePacked(digests)), nonce, deadline));
    }

    /// The grant that would come next. One signed before another was set, or taken back, is good no more.
    function _grantStruct(
        bytes32 datasetId,
        address grantee,
        GrantTerms calldata terms,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes32) {
        (bytes32 root,,) = _known(datasetId);
        uint32 serial = _grants[root][grantee].serial + 1;
        return keccak256(
            bytes.concat(
                abi.encode(GRANT_TYPEHASH, datasetId, grantee, serial, terms.uses, terms.expiry, terms.links),
                abi.encode(terms.minShareBps, terms.minDataBps, terms.minPricePerQuery, terms.coversLater),
                abi.encode(terms.participants, nonce, deadline)
            )
        );
    }

    function _acceptStruct(bytes32 datasetId, uint256 nonce, uint256 deadline) private pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPT_TYPEHASH, datasetId, nonce, deadline));
    }

    function _payoutStruct(bytes32 datasetId, address payout, uint256 nonce, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(PAYOUT_TYPEHASH, datasetId, payout, nonce, deadline));
    }
}
