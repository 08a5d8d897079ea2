//! Classifies a node's errors on transactions and requests. Codes and messages differ between nodes; the lists come
//! from the sources of geth, Erigon, Nethermind, Besu, OpenEthereum and from gateways.

/// A node's error on `eth_sendRawTransaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The node already has exactly this transaction.
    Known,
    /// The nonce is used: by a mined transaction, or by a pending one that pays no less.
    NonceUsed,
    /// The sender has insufficient funds.
    Unfunded,
    /// It offers less than the base fee, or than the node's minimum.
    FeeTooLow,
    /// No node would accept it: it breaks a rule of the chain or of every pool.
    Invalid,
    /// Anything else: the node may still have it.
    Unclear,
}

const KNOWN: &[&str] = &[
    "already known",     // geth, Erigon ("ALREADY_EXISTS: already known")
    "alreadyknown",      // Nethermind
    "known transaction", // Besu, old geth
    "already imported",  // anvil, OpenEthereum ("the same hash was already imported")
    "already been imported",
    "already exists", // Tendermint's cache
    "already_exists",
    "already in", // Cosmos chains ("tx already in mempool"), zkSync ("already in the system")
    "already added",
    "already submitted",
    "same hash", // Erigon ("existing tx with same hash")
    "duplicate transaction",
    "duplicate_transaction", // Hedera
    "dup transaction",       // Tron
    "dup_transaction",
];

const NONCE_USED: &[&str] = &[
    "nonce too low",    // geth, Erigon, Besu, anvil
    "nonce is too low", // OpenEthereum
    "noncetoolow",
    "oldnonce", // Nethermind
    "old nonce",
    "nonce already used",
    "nonce has already been used",
    "nonce_expired",
    "replacement transaction underpriced", // geth, Besu
    "replacementnotallowed",               // Nethermind
    "could not replace existing",          // Erigon
    "same nonce",                          // OpenEthereum ("There is another transaction with same nonce in the queue")
];

const UNFUNDED: &[&str] = &[
    "insufficient funds", // geth, anvil, OpenEthereum
    "insufficientfunds",  // Nethermind
    "insufficient balance",
    "upfront cost exceeds", // Besu
    "enough funds",
];

const FEE_TOO_LOW: &[&str] = &[
    "less than block base fee", // geth, Arbitrum, anvil
    "max fee per gas less",
    "underpriced",
    "feetoolow", // Nethermind
    "fee too low",
    "gas price too low",
    "gas price is too low",               // OpenEthereum
    "gas price below",                    // Besu
    "too low for the next block",         // Hardhat
    "below configured minimum gas price", // Hedera
];

const INVALID: &[&str] = &[
    "intrinsic gas",
    "intrinsicgas",
    "gas limit exceeds",
    "exceeds block gas limit",
    "exceeds the block gas limit",
    "gaslimitexceeded",
    "gas limit too high",
    "gas limit is too high",
    "tip above",
    "fee cap exceeded",
    "exceeds the configured cap",
    "type not supported",
    "type not activated",
    "not supported transaction type",
    "unsupported transaction type",
    "unknown transaction type",
    "invalid transaction type",
    "invalid sender",
    "invalid signature",
    "invalid chain id",
    "invalid chainid",
    "wrong chainid",
    "wrong chain id",
    "incorrect chain id",
    "oversized data",
    "max initcode size",
    "initcode too large",
    "rlp:",
];

/// Whether a message, in lower case, has one of these words.
fn says(message: &str, words: &[&str]) -> bool {
    words.iter().any(|w| message.contains(w))
}

/// Classifies a node's message about a transaction.
pub(crate) fn refusal(message: &str) -> Refusal {
    let message = message.to_lowercase();
    // "unknown transaction type" contains "known transaction"
    let known = message.replace("unknown", "");
    if says(&known, KNOWN) {
        Refusal::Known
    } else if says(&message, NONCE_USED) {
        Refusal::NonceUsed
    } else if says(&message, UNFUNDED) {
        Refusal::Unfunded
    } else if says(&message, FEE_TOO_LOW) {
        Refusal::FeeTooLow
    } else if says(&message, INVALID) {
        Refusal::Invalid
    } else {
        Refusal::Unclear
    }
}

const ABOUT_REQUESTS: &[&str] = &[
    "rate limit",
    "rate-limit",
    "ratelimit",
    "rate exceeded",
    "too many requests",
    "request limit",
    "requests limit",
    "requests per second",
    "compute units per second",
    "credits limited",
    "concurrent requests",
    "throttl",
];

/// Words of a limit on the size of results.
const ABOUT_RESULTS: &[&str] = &["results", "block range", "range is", "response size", "blocks"];

/// Whether an error says that the node limits requests, so that the same request will pass later.
pub(crate) fn limits_requests(code: i64, message: &str) -> bool {
    let message = message.to_lowercase();
    // a contract's own words: waiting does not help
    if code == 3 || message.contains("revert") {
        return false;
    }
    // "query returned more than 10000 results" has the code of a rate limit, but waiting does not help either
    if says(&message, ABOUT_RESULTS) {
        return false;
    }
    matches!(code, 429 | -32005 | -32007 | -32029) || says(&message, ABOUT_REQUESTS)
}

/// Whether an answer with the HTTP status of a limit on requests (429) is about the size of results all the same.
pub(crate) fn limits_only_results(message: &str) -> bool {
    let message = message.to_lowercase();
    says(&message, ABOUT_RESULTS) && !says(&message, ABOUT_REQUESTS)
}

/// Whether an error that looks like a limit on requests may also be one on results: BSC's nodes answer `eth_getLogs` of too
/// many blocks with -32005 and "limit exceeded".
pub(crate) fn may_limit_results(code: i64, message: &str) -> bool {
    let message = message.to_lowercase();
    code == -32005 && !says(&message, ABOUT_REQUESTS)
}

const ABOUT_KEYS: &[&str] =
    &["unauthori", "authenticat", "forbidden", "api key", "apikey", "api-key", "project id", "access denied"];

/// Whether an error says that the node requires a key or a login.
pub(crate) fn wants_key(message: &str) -> bool {
    let message = message.to_lowercase();
    says(&message, ABOUT_KEYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nodes_words_are_understood() {
        for (message, meaning) in [
            ("already known", Refusal::Known),
            ("ALREADY_EXISTS: already known", Refusal::Known),
            ("INTERNAL_ERROR: existing tx with same hash", Refusal::Known),
            ("AlreadyKnown", Refusal::Known),
            ("Known transaction", Refusal::Known),
            ("known transaction: abababab", Refusal::Known),
            ("Transaction with the same hash was already imported.", Refusal::Known),
            ("transaction already imported", Refusal::Known),
            ("tx already in mempool", Refusal::Known),
            ("tx already exists in cache", Refusal::Known),
            ("known transaction. transaction with hash 0xab is already in the system", Refusal::Known),
            ("nonce too low: next nonce 5, tx nonce 4", Refusal::NonceUsed),
            ("Nonce too low", Refusal::NonceUsed),
            ("OldNonce, Current nonce: 7, nonce of rejected tx: 6", Refusal::NonceUsed),
            ("Transaction nonce is too low. Try incrementing the nonce.", Refusal::NonceUsed),
            ("replacement transaction underpriced", Refusal::NonceUsed),
            (
                "Transaction gas price is too low. There is another transaction with same nonce in the queue.",
                Refusal::NonceUsed,
            ),
            ("insufficient funds for gas * price + value: balance 0", Refusal::Unfunded),
            ("InsufficientFunds, Account balance: 0", Refusal::Unfunded),
            ("Upfront cost exceeds account balance", Refusal::Unfunded),
            ("transaction underpriced", Refusal::FeeTooLow),
            ("FeeTooLow, EffectivePriorityFeePerGas too low 1 < 2", Refusal::FeeTooLow),
            ("unknown transaction type", Refusal::Invalid),
            ("max fee per gas less than block base fee: address 0x, maxFeePerGas: 1, baseFee: 7", Refusal::FeeTooLow),
            ("intrinsic gas too low", Refusal::Invalid),
            (
                "Transaction maxFeePerGas (3) is too low for the next block, which has a baseFeePerGas of 875000000",
                Refusal::FeeTooLow,
            ),
            ("Gas price '1' is below configured minimum gas price '710000000000'", Refusal::FeeTooLow),
            ("header not found", Refusal::Unclear),
            ("Internal error", Refusal::Unclear),
            ("unknown transaction", Refusal::Unclear),
            ("", Refusal::Unclear),
        ] {
            assert_eq!(refusal(message), meaning, "{message}");
        }
    }

    #[test]
    fn a_limit_on_requests_is_told_from_a_limit_on_results() {
        for (code, message) in [
            (-32007, "5/second request limit reached - reduce calls per second or upgrade"),
            (-32005, "project ID request rate exceeded"),
            (-32005, "limit exceeded"),
            (429, "Your app has exceeded its compute units per second capacity"),
            (-32000, "Too Many Requests"),
        ] {
            assert!(limits_requests(code, message), "{message}");
        }
        for (code, message) in [
            (-32005, "query returned more than 10000 results"),
            (-32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range."),
            (-32000, "nonce too low"),
            (3, "execution reverted: RateLimiter: rate limit exceeded"),
            (3, "RateLimiter: rate limit exceeded"),
            (-32000, "VM Exception while processing transaction: revert too many requests"),
            (-32601, "the method eth_feeHistory does not exist/is not available"),
        ] {
            assert!(!limits_requests(code, message), "{message}");
        }
    }

    #[test]
    fn a_limit_that_names_no_requests_may_be_one_on_results() {
        assert!(may_limit_results(-32005, "limit exceeded"));
        assert!(!may_limit_results(-32005, "project ID request rate exceeded"));
        assert!(!may_limit_results(429, "limit exceeded"));
        // what has the HTTP status of the other
        for words in ["query returned more than 10000 results", "eth_getLogs is limited to a block range of 10"] {
            assert!(limits_only_results(words), "{words}");
        }
        for words in ["Too Many Requests", "rate limit: 100 blocks per second", ""] {
            assert!(!limits_only_results(words), "{words}");
        }
    }

    #[test]
    fn a_missing_key_is_told() {
        assert!(wants_key("Must be authenticated!") && wants_key("invalid project id"));
        assert!(!wants_key("nonce too low"));
    }
}
