"""Words in which nodes refuse a transaction, or limit requests.

They are those of the Rust client, ``verifier-contract/client/src/refusal.rs``.
"""

KNOWN = (
    "already known",
    "alreadyknown",
    "known transaction",
    "already imported",
    "already been imported",
    "already exists",
    "already_exists",
    "already in",
    "already added",
    "already submitted",
    "same hash",
    "duplicate transaction",
    "duplicate_transaction",
    "dup transaction",
    "dup_transaction",
)
"""Words of nodes that have exactly this transaction."""
NONCE_USED = (
    "nonce too low",
    "nonce is too low",
    "noncetoolow",
    "oldnonce",
    "old nonce",
    "nonce already used",
    "nonce has already been used",
    "nonce_expired",
    "replacement transaction underpriced",
    "replacementnotallowed",
    "could not replace existing",
    "same nonce",
)
"""Words of nodes for which the nonce is used, by a mined transaction or by a pending one that pays no less."""
UNFUNDED = ("insufficient funds", "insufficientfunds", "insufficient balance", "upfront cost exceeds", "enough funds")
"""Words of nodes for which the sender cannot pay."""
FEE_TOO_LOW = (
    "less than block base fee",
    "max fee per gas less",
    "underpriced",
    "feetoolow",
    "fee too low",
    "gas price too low",
    "gas price is too low",
    "gas price below",
    "too low for the next block",
    "below configured minimum gas price",
)
"""Words of nodes that would take it for higher fees."""
INVALID = (
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
)
"""Words of nodes about a transaction that no node would accept."""
ABOUT_REQUESTS = (
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
)
"""Words of nodes that limit requests."""
ABOUT_RESULTS = ("results", "block range", "range is", "response size", "blocks")
"""Words of a limit on the size of results."""


def refusal(words: str) -> str:
    """What a node's message about a transaction means: ``known``, ``nonce used``, ``unfunded``, ``fee too low``, ``invalid`` or
    ``unclear``."""
    words = words.lower()
    # "unknown transaction type" contains "known transaction"
    if says(words.replace("unknown", ""), KNOWN):
        return "known"
    for meaning, them in (("nonce used", NONCE_USED), ("unfunded", UNFUNDED), ("fee too low", FEE_TOO_LOW), ("invalid", INVALID)):
        if says(words, them):
            return meaning
    return "unclear"


def says(words: str, any_of: tuple[str, ...]) -> bool:
    return any(w in words for w in any_of)
