"""Sections of benches/RESULTS.md beside other proof systems: EZKL, UltraHonk and Groth16, answers of a dense head."""

import subprocess
import sys

import results
from processes import CRS, EZKL_WORK, PEER_WORK, RELEASE, TIMEOUT, ezkl, measure, measured, peer, with_gas
from results import Section, calibration, seconds, table

CRS_POINTS = (1 << 21) + 1
NAMES = {"ultrahonk": "UltraHonk", "groth16": "Groth16"}
# UltraHonk's largest batches for 2^19 and 2^20 rows at 64 features, for 2^18 and 2^19 at 784: there Noir's compiler aborts
# on a batch for 2^20 (312 queries: `unreachable` in its WASM). Groth16's largest for 2^19 constraints at 64 features and 2^20 at 784: there the check of the
# weights alone takes 359,000
BATCHES = {
    (64, "ultrahonk", "full"): (1010, 2050), (64, "ultrahonk", "plain"): (1190, 2400),
    (64, "groth16", "full"): (294,), (64, "groth16", "plain"): (343,),
    (784, "ultrahonk", "full"): (63, 148), (784, "ultrahonk", "plain"): (64, 150),
    (784, "groth16", "full"): (75,), (784, "groth16", "plain"): (50,),
}
EZKL_BATCHES = {64: (1, 16, 64, 256), 784: (1, 16, 64, 128)}
EZKL_BEST = {64: 256, 784: 64}
"""EZKL's batches with the least time for each query, by features, as `beside_ezkl` finds them."""


def of_the_best(key, rows):
    """Whether a line is worth another round, a rule for `measured`: Tribute's are, and everybody's best batch for a statement."""
    same = [r["milliseconds_per_item"] for other, r in rows.items() if r and other[:3] == key[:3]]
    return key[1].startswith("Tribute") or rows[key]["milliseconds_per_item"] == min(same)


def best(rows, features, who, statement=None):
    """The least milliseconds for a query."""
    return min((r["milliseconds_per_item"] for (d, name, what, _), r in rows.items()
                if r and d == features and name.startswith(who) and statement in (None, what)), default=None)


def beside_ezkl(quick):
    """Keys: features, who, statement, batch."""
    jobs = {}
    for features in (64,) if quick else (64, 784):
        for k in (15,) if quick else (15, 16 if features == 64 else 17):
            for count in (1, None):
                given = {"count": 1} if count else {}
                jobs[features, f"Tribute, k = {k}", "full", count or 0] = lambda k=k, d=features, g=given: measure("service", k=k, features=d, **g)
        for batch in (1, 16) if quick else EZKL_BATCHES[features]:
            jobs[features, "EZKL", "logits", batch] = lambda d=features, n=batch: ezkl(d, 10, n, ezkl_folder(d, n))
    rows = measured(jobs, 1 if quick else 2, of_the_best)
    parts, here, lines = [calibration(rows.values()), EZKL_WORDS], {}, []
    for features in dict.fromkeys(key[0] for key in rows):
        ours, theirs = best(rows, features, "Tribute"), best(rows, features, "EZKL")
        if ours and theirs:
            times = f"{theirs / ours:.0f} times"
            parts.append(f"{features} → 10: **{times}** cheaper per query than EZKL's best batch ({ours:.2f} ms against {theirs:.1f} ms).\n")
            here[results.CHEAPER[features]] = times
        found = [key[3] for key, r in rows.items() if r and key[:2] == (features, "EZKL") and r["milliseconds_per_item"] == theirs]
        if found and found[0] != EZKL_BEST[features] and not quick:
            print(f"  EZKL's best batch at {features} features is {found[0]}: EZKL_BEST is to say so", file=sys.stderr)
    for (features, who, _, count), r in rows.items():
        if r is None:
            lines.append((f"{features} → 10", who, count, "–", f"nothing within {TIMEOUT} s") + ("",) * 5)
            continue
        lines.append((f"{features} → 10", who, r["count"], r["k"], seconds(r["seconds"]), f"{r['milliseconds_per_item']:.2f} ms",
                      seconds(r["cpu_seconds"]), f"{r['peak_rss_mb']} MB", f"{r['proof_bytes']:,}", f"{r['verify_ms']:.1f} ms"))
    header = ("head", "who", "queries", "k", "witness and proof", "per query", "CPU time", "peak memory", "proof bytes", "verify")
    return Section(results.EZKL, [*parts, table(header, lines)], here)


EZKL_WORDS = (
    "**Not the same statement.** Tribute's line is its whole service proof: the answers are those of committed weights, and each query with its salt and answer "
    "extends a transcript that its client signs. EZKL proves less: logits are public outputs without an arg max, and nothing binds "
    "queries or weights, which are private and not hashed. It computes in fixed point with 7 bits of scale for inputs and 12 for weights, "
    "Tribute in integers with bytes for features and weights of 38 bits. In favour of "
    "Tribute: its commitment to the weights and the check of their range, once for an agent, are not in this time, while EZKL has neither; and "
    "EZKL's time includes reading its key and parameters from files, Tribute's does not. In favour of EZKL: all the hashing, and up to 16 sessions in "
    "Tribute's proof, of which one is used here. Tribute's lines and every peer's best batch are measured twice, the better result counts.\n"
)


def write_crs(points):
    file = CRS / "bn254_g1.dat"
    if not file.exists() or file.stat().st_size < 64 * points:
        CRS.mkdir(parents=True, exist_ok=True)
        subprocess.run([RELEASE / "tribute-bench-peers", "crs", str(points), CRS], check=True)


def tribute_with_gas(k, features):
    folder = PEER_WORK / f"tribute-{features}-{k}"
    return with_gas("tribute", folder, measure("service", k=k, features=features, evm=folder))


def ezkl_folder(features, batch):
    return EZKL_WORK / f"{features}-10-{batch}"


def ezkl_with_gas(features, batch):
    # its native verifier has accepted; a large batch may have more public outputs than a transaction can pay for
    result = ezkl(features, 10, batch, ezkl_folder(features, batch), "--contract")
    return with_gas("ezkl", ezkl_folder(features, batch), result) or result


def beside_peers(quick):
    """UltraHonk, Groth16, and EZKL's best batch. Keys as in `beside_ezkl`."""
    write_crs((1 << 17) + 1 if quick else CRS_POINTS)
    batches = {(64, "ultrahonk", "full"): (2,), (64, "groth16", "full"): (2,)} if quick else BATCHES
    jobs = {}
    for features in dict.fromkeys(key[0] for key in batches):
        for k in (15,) if quick else (15, 16 if features == 64 else 17):
            jobs[features, f"Tribute, k = {k}", "full", 0] = lambda k=k, d=features: tribute_with_gas(k, d)
        for (d, system, statement), sizes in batches.items():
            for batch in sizes if d == features else ():
                def job(system=system, d=d, batch=batch, statement=statement):
                    folder = PEER_WORK / f"{system}-{d}-{batch}-{statement}"
                    return with_gas(system, folder, peer(system, d, 10, batch, statement, folder))
                jobs[features, NAMES[system], statement, batch] = job
        batch = 1 if quick else EZKL_BEST[features]
        jobs[features, "EZKL", "logits", batch] = lambda d=features, n=batch: ezkl_with_gas(d, n)
    rows = measured(jobs, 1 if quick else 2, of_the_best)
    parts, here, lines = [calibration(rows.values()), *PEER_WORDS], {}, []
    for features in dict.fromkeys(key[0] for key in rows):
        ours = best(rows, features, "Tribute")
        theirs = [t for who in NAMES.values() if (t := best(rows, features, who, "full"))]
        if ours and theirs:
            times = f"{min(theirs) / ours:.0f} times"
            parts.append(f"{features} → 10: **{times}** cheaper per query than the quicker of the two with the same statement "
                         f"({ours:.2f} ms against {min(theirs):.1f} ms).\n")
            here[results.CHEAPER_PEERS[features]] = times
        if ours and (other := best(rows, features, "EZKL")):
            parts.append(f"{features} → 10: {other / ours:.0f} times cheaper per query than EZKL in the same run ({other:.1f} ms).\n")
    for (features, who, statement, batch), r in rows.items():
        if r is None:
            lines.append((f"{features} → 10", who, statement, batch, f"nothing within {TIMEOUT} s") + ("",) * 6)
            continue
        verify = f"{r['verify_ms']:.1f} ms" + (", refused at the pairing" if who == "UltraHonk" else "")
        lines.append((f"{features} → 10", who, statement, r["count"], seconds(r["seconds"]), f"{r['milliseconds_per_item']:.2f} ms",
                      seconds(r["cpu_seconds"]), f"{r['peak_rss_mb']} MB", f"{r['proof_bytes']:,}", verify, f"{r['gas']:,}" if "gas" in r else "–"))
    header = ("head", "who", "statement", "queries", "witness and proof", "per query", "CPU time", "peak memory", "proof bytes", "verify", "gas")
    return Section(results.PEERS, [*parts, table(header, lines)], here)


PEER_WORDS = [
    "The same integer head, arg max, weights and queries private. `full` states what Tribute's service proof does: the weights "
    "have a public commitment, and each query with its salt and answer extends a public transcript. `plain` leaves both out and "
    "publishes the answers. `logits` is EZKL's, in its best batch: less than `plain`, see that section. UltraHonk: Noir with Poseidon2, Barretenberg's native prover with zero knowledge and Keccak. "
    "Groth16: circom with circomlib's Poseidon, proved by arkworks, its set-up of one circuit and batch. Both check logits by a random combination, as "
    "ours are: for UltraHonk half the gates of products one by one. Products one by one, as a first version had "
    "them, took Groth16 11 ms a query (plain, 664 queries): in R1CS they cost no more than the sponge.\n",
    "**What still differs.** In Tribute's favour: the peers check the range of every weight (38 bits) and hash the weights in the circuit, in every "
    "proof; at 784 features that check is a third of Groth16's largest circuit here. Our service proof does neither: `optimum` checks the range, once for an agent, "
    "and the weights are a committed column, a KZG commitment that is computed once and not in this time. In the peers' favour: "
    "our proof holds up to 16 sessions, each with a transcript of its own, theirs one chain; and circomlib's Poseidon is cheaper in R1CS than the Poseidon2 of our receipts.\n",
    "**Time.** All on every core of the machine; time and CPU time include the witness. Tribute and Groth16 have their keys and parameters in memory before "
    "the clock starts, and Groth16's witness is a process of node with its start. UltraHonk's proof is a process of Barretenberg with its start and with reading the key and the "
    "points, EZKL's includes reading the same. Tribute's lines and every peer's best batch are measured twice, the better result counts. "
    "UltraHonk's batches fill 2^19 and 2^20 rows at 64 features, 2^18 and 2^19 at 784: there Noir's compiler, which npm has as WASM, aborts on a batch for 2^20.\n",
    "**Verification and gas.** Barretenberg's native verifier knows one ceremony's [τ]₂ only and refuses these proofs at the last pairing: its time is that of "
    "a whole process until then. EZKL's includes reading the key and its parameters, Tribute's and Groth16's only the check. Gas is that of a whole transaction that only checks the proof: 21,000, calldata and "
    "each system's own contract on a local chain without a limit of code size; altered proofs are refused there. [Gas](../docs/gas.md) has Tribute's whole transactions.\n",
]
