//! The contracts' interfaces, generated from their ABIs, which a test compares with the sources; the token's from its
//! source. For bytecode see [`crate::artifacts`].
#![allow(missing_docs, clippy::all)]

use std::borrow::Borrow;

use alloy::json_abi::JsonAbi;
use alloy::primitives::{Bytes, B256, U256};
use alloy::sol;
use tribute_core::digest::Digest;
use tribute_core::proof::Proof;

mod gate {
    alloy::sol!(
        #[sol(abi, all_derives)]
        IProofGate,
        "../abi/ProofGate.json"
    );
}
mod timelock {
    alloy::sol!(
        #[sol(abi, all_derives)]
        ICircuitTimelock,
        "../abi/CircuitTimelock.json"
    );
}
mod evaluations {
    alloy::sol!(
        #[sol(abi, all_derives)]
        IEvaluations,
        "../abi/Evaluations.json"
    );
}
mod datasets {
    alloy::sol!(
        #[sol(abi, all_derives)]
        IDatasetRegistry,
        "../abi/DatasetRegistry.json"
    );
}
mod agents {
    alloy::sol!(
        #[sol(abi, all_derives)]
        IAgentRegistry,
        "../abi/AgentRegistry.json"
    );
}
mod sessions {
    alloy::sol!(
        #[sol(abi, all_derives)]
        ISessionEscrow,
        "../abi/SessionEscrow.json"
    );
}
mod weights {
    alloy::sol!(
        #[sol(abi, all_derives)]
        IAgreedWeights,
        "../abi/AgreedWeights.json"
    );
}
mod token {
    alloy::sol!(
        #[sol(abi, all_derives)]
        "../src/interfaces/ITestToken.sol"
    );
}

pub use agents::IAgentRegistry;
pub use datasets::IDatasetRegistry;
pub use datasets::ISignedMessages::Authority;
pub use evaluations::IEvaluations;
pub use gate::IProofGate;
pub use sessions::ISessionEscrow;
pub use timelock::ICircuitTimelock;
pub use token::ITestToken;
pub use weights::IAgreedWeights;
pub use weights::ISignedMessages::Authority as WeightsAuthority;

/// The deployed contracts that transactions go to, by name, with their ABIs.
#[must_use]
pub fn contracts() -> [(&'static str, JsonAbi); 7] {
    [
        ("ProofGate", IProofGate::abi::contract()),
        ("DatasetRegistry", IDatasetRegistry::abi::contract()),
        ("AgentRegistry", IAgentRegistry::abi::contract()),
        ("SessionEscrow", ISessionEscrow::abi::contract()),
        ("AgreedWeights", IAgreedWeights::abi::contract()),
        ("Evaluations", IEvaluations::abi::contract()),
        ("CircuitTimelock", ICircuitTimelock::abi::contract()),
    ]
}

sol! {
    /// Signed by a session key: the total number of queries of a session so far and the transcript after the last one.
    #[derive(Debug, PartialEq, Eq)]
    struct Voucher {
        bytes32 session;
        uint32 version;
        uint64 count;
        uint256 transcript;
    }

    /// Signed by a client, so that somebody else can open a session in its name.
    #[derive(Debug, PartialEq, Eq)]
    struct OpenSession {
        address client;
        bytes32 agentId;
        uint32 version;
        uint128 pricePerQuery;
        uint128 escrow;
        address sessionKey;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by a client, so that queries are paid without a proof.
    #[derive(Debug, PartialEq, Eq)]
    struct Settlement {
        bytes32 session;
        uint64 count;
    }

    /// Signed by an owner, so that somebody else can register a dataset.
    #[derive(Debug, PartialEq, Eq)]
    struct RegisterDataset {
        address owner;
        bytes32 schemaId;
        bytes32 circuitId;
        uint16 minDataBps;
        bool openTraining;
        uint16 minShareBps;
        uint128 minPricePerQuery;
        uint8 links;
        bytes32[] shards;
        uint256 nonce;
        uint256 deadline;
    }

    /// As [`RegisterDataset`], for adding shards.
    #[derive(Debug, PartialEq, Eq)]
    struct ExtendDataset {
        bytes32 previousId;
        bytes32[] shards;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by an owner, so that somebody else can set a grant; `serial` is that of the last grant set, plus one.
    #[derive(Debug, PartialEq, Eq)]
    struct GrantTraining {
        bytes32 datasetId;
        address grantee;
        uint32 serial;
        uint32 uses;
        uint64 expiry;
        uint8 links;
        uint16 minShareBps;
        uint16 minDataBps;
        uint128 minPricePerQuery;
        bool coversLater;
        bytes32 participants;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by a new owner, so that somebody else can submit the acceptance.
    #[derive(Debug, PartialEq, Eq)]
    struct AcceptDataset {
        bytes32 datasetId;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by an owner, so that somebody else can set the payout address.
    #[derive(Debug, PartialEq, Eq)]
    struct SetPayout {
        bytes32 datasetId;
        address payout;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by an owner, so that somebody else can set the node in the dataset's entry.
    #[derive(Debug, PartialEq, Eq)]
    struct SetNode {
        bytes32 datasetId;
        string node;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by a dataset's owner: these weights may take the place of shares.
    #[derive(Debug, PartialEq, Eq)]
    struct AgreeWeights {
        string statement;
        bytes32 datasetId;
        uint64 weight;
        bytes32 agentId;
        uint32 version;
        uint32 round;
        bytes32[] datasetIds;
        uint64[] weights;
        bytes32 valuation;
        bytes32 testSet;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by an attester: these weights follow from the valuation.
    #[derive(Debug, PartialEq, Eq)]
    struct AttestWeights {
        string statement;
        bytes32 agentId;
        uint32 version;
        uint32 round;
        bytes32[] datasetIds;
        uint64[] weights;
        bytes32 valuation;
        bytes32 testSet;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by a dataset's owner: valuations on this test set by this attester may take the place of shares.
    #[derive(Debug, PartialEq, Eq)]
    struct AcceptValuations {
        string statement;
        bytes32 datasetId;
        address grantee;
        uint32 serial;
        address attester;
        bytes32 testSet;
        uint256 nonce;
        uint256 deadline;
    }

    /// Signed by a dataset's owner: the weights proposed in this round are void.
    #[derive(Debug, PartialEq, Eq)]
    struct ObjectWeights {
        string statement;
        bytes32 agentId;
        uint32 version;
        uint32 round;
        bytes32 datasetId;
        uint256 nonce;
        uint256 deadline;
    }

    /// ERC-2612.
    #[derive(Debug, PartialEq, Eq)]
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }

    /// The standard views of ERC-20 tokens, and the owner of an `Ownable` contract.
    #[sol(abi, all_derives)]
    interface IStandard {
        function name() external view returns (string memory);
        function symbol() external view returns (string memory);
        function owner() external view returns (address);
        function paused() external view returns (bool);
        function permit(address holder, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    }
}

/// Errors of OpenZeppelin's contracts that ours are built on.
pub(crate) const LIBRARY_ERRORS: &[&str] = &[
    "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
    "error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)",
    "error ERC20InvalidSender(address sender)",
    "error ERC20InvalidReceiver(address receiver)",
    "error ERC20InvalidApprover(address approver)",
    "error ERC20InvalidSpender(address spender)",
    "error ERC2612ExpiredSignature(uint256 deadline)",
    "error ERC2612InvalidSigner(address signer, address owner)",
    "error InvalidAccountNonce(address account, uint256 currentNonce)",
    "error SafeERC20FailedOperation(address token)",
    "error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value)",
    "error SafeCastOverflowedIntToUint(int256 value)",
    "error OwnableUnauthorizedAccount(address account)",
    "error OwnableInvalidOwner(address owner)",
    "error AccessControlUnauthorizedAccount(address account, bytes32 neededRole)",
    "error TimelockInsufficientDelay(uint256 delay, uint256 minDelay)",
    "error TimelockUnexpectedOperationState(bytes32 operationId, bytes32 expectedStates)",
    "error EnforcedPause()",
    "error ExpectedPause()",
    "error ReentrancyGuardReentrantCall()",
    "error InvalidShortString()",
    "error StringTooLong(string str)",
];

/// A proof's public inputs in the contracts' type.
pub(crate) fn inputs(proof: &Proof) -> Vec<U256> {
    proof.inputs.iter().map(|x| U256::from_be_bytes(x.0)).collect()
}

/// A proof's bytes in the contracts' type.
pub(crate) fn bytes(proof: &Proof) -> Bytes {
    Bytes::copy_from_slice(&proof.bytes)
}

/// An identifier or digest in the contracts' type.
pub(crate) fn word(id: &impl Borrow<[u8; 32]>) -> B256 {
    B256::new(*id.borrow())
}

/// An optional hash; the contracts encode `None` as 0.
pub(crate) fn digest(word: B256) -> Option<Digest> {
    (!word.is_zero()).then_some(word.0)
}
