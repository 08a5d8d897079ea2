"""benches/RESULTS.md: its sections, and the table of budgets at its head, to which every command adds what it measures."""

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches/RESULTS.md"

BUDGETS = "## Budgets"
# headings, in the file's order; others follow
PROOFS = "## One proof of each, k = 15"
FIRST = "## From start to the first proof"
THROUGHPUT = "## Throughput of `gradient`, softmax, 10 classes, full shards"
PARTS = "## Where the time goes, on one thread"
AGAINST = "## Against the prover before vector arithmetic"
THREADS = "## Threads"
SIZES = "## k"
GROWTH = "## Growth with records"
LARGE = "## Whole certificates of large shapes"
DEMO = "## The demo"
PEERS = "## Side by side with UltraHonk and Groth16, answers of a dense head"
TRAINING = "## Training beside scikit-learn"
LOAD = "## Load on a service"
TEXT = "## A text agent of three nodes"
EZKL = "## Side by side with EZKL, answers of a dense head"
ORDER = [BUDGETS, PROOFS, FIRST, THROUGHPUT, PARTS, AGAINST, THREADS, SIZES, GROWTH, LARGE, DEMO, PEERS, TRAINING, TEXT, LOAD, EZKL]


@dataclass(frozen=True)
class Budget:
    """A line of the table of budgets. `before`: measured before vector arithmetic, on the same kind of machine."""

    what: str
    budget: str
    before: str = "–"


DATASET = Budget("`dataset`, one full shard, k = 15", "3 s")
DIGITS = Budget("`gradient`, 1,797 records, 64 → 10, softmax, k = 15", "0.6 s", "2.0 s")
SERVICE = {
    64: Budget("`service`, per query, 64 → 10, full batch, k = 15", "0.8 ms", "2.6 ms"),
    784: Budget("`service`, per query, 784 → 10, full batch, k = 15", "5 ms", "16.6 ms"),
}
VERIFICATION = Budget("verification of a proof, the slowest of these", "10 ms")
CELLS = {
    (features, every): Budget(
        f"`gradient`, cells per second and core, d = {features}, k = 17, {'every core' if every else 'one thread'}", "500,000", "168,000"
    )
    for features in (384, 784)
    for every in (False, True)
}
MEMORY_15 = Budget("peak memory, `gradient`, 64 → 10, k = 15", "180 MB", "180 MB")
MEMORY_384 = Budget("peak memory, `gradient`, 384 → 10, k = 17, one thread", "879 MB", "879 MB")
MEMORY_17 = Budget("peak memory, `gradient`, 64 → 10, k = 17", "2 GB")
SRS = Budget("development SRS, k = 17", "5 s")
ARITHMETIC = {"avx2": "on a CPU with AVX2 only", "portable": "without vector code"}
"""What the program can be told to use instead of the best of this CPU, and whom that tells of."""
OTHER_CPUS = {
    (circuit, arithmetic): Budget(f"`{circuit}` {cpu}, times as fast as before", "1.00", "1.00")
    for arithmetic, cpu in ARITHMETIC.items() for circuit in ("dataset", "gradient", "service")
}
CHEAPER = {
    64: Budget("cheaper than EZKL's best batch, per query, 64 → 10", "160 times", "54 times"),
    784: Budget("cheaper than EZKL's best batch, per query, 784 → 10", "240 times", "71 times"),
}
CHEAPER_PEERS = {
    features: Budget(f"cheaper than UltraHonk's and Groth16's best batch, per query, {features} → 10", "10 times") for features in (64, 784)
}
DEMO_TIME = Budget("`make demo`, the second of two", "20 s", "35.7 s")
ALL = [
    DATASET, DIGITS, *SERVICE.values(), VERIFICATION, *CELLS.values(), MEMORY_15, MEMORY_384, MEMORY_17, SRS, *OTHER_CPUS.values(),
    *CHEAPER.values(), *CHEAPER_PEERS.values(), DEMO_TIME,
]
COLUMNS = ("what", "before", "budget", "here", "× floor")
WORDS = (
    "*Before*: measured before vector arithmetic, on the same kind of machine; a dash where nobody did. *Here*: a dash until the "
    "command of that section has run (`make bench`, `make bench-peers`, `benches/run.py --against`). *× floor*: time over the least "
    "that the commitments could take, both on one thread, as in “Where the time goes”.\n"
)


@dataclass
class Section:
    """A section: its heading, paragraphs and tables. `here` and `floor` are its figures for lines of the table of budgets."""

    heading: str
    parts: list
    here: dict = field(default_factory=dict)
    floor: dict = field(default_factory=dict)

    def text(self):
        return "\n".join([self.heading + "\n", *self.parts]).rstrip("\n") + "\n"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def seconds(value):
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1e3:.1f} ms"


def machine():
    model = next(
        (l.split(":", 1)[1].strip() for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("model name")),
        platform.processor(),
    )
    memory = next(l for l in Path("/proc/meminfo").read_text().splitlines() if l.startswith("MemTotal"))
    return f"{os.cpu_count()} cores of {model}, {int(memory.split()[1]) // 1024 // 1024} GB"


def calibration(results):
    """How fast the machine was during a section."""
    found = [r["calibration_ms"] for r in results if r and "calibration_ms" in r]
    return f"`calibration_ms` here: {min(found):.0f} to {max(found):.0f}.\n" if found else ""


def split(text):
    """What stands before the first section, and the sections by heading."""
    head, *rest = text.split("\n## ")
    return head.rstrip("\n") + "\n", {"## " + part.split("\n", 1)[0]: "## " + part.rstrip("\n") + "\n" for part in rest}


def budgets(old, here, floor):
    """The table of budgets: `old` with new figures."""
    cells = [line.strip("| ").split(" | ") for line in old.splitlines() if line.startswith("| ")]
    known = {row[0]: row[3:] for row in cells if len(row) == len(COLUMNS)}
    rows = []
    for b in ALL:
        was = known.get(b.what, ["–", "–"])
        rows.append((b.what, b.before, b.budget, here.get(b, was[0]), floor.get(b, was[1])))
    return Section(BUDGETS, [table(COLUMNS, rows), WORDS]).text()


def with_section(text, section):
    """A results file with this section in place of the one of the same heading, and its figures among the budgets."""
    head, sections = split(text)
    sections[section.heading] = section.text()
    sections[BUDGETS] = budgets(sections.get(BUDGETS, ""), section.here, section.floor)
    known = [sections.pop(heading) for heading in ORDER if heading in sections]
    return "\n".join([head, *known, *sections.values()])


def write(path, section):
    """Puts a section into a results file, which need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(with_section(path.read_text() if path.exists() else "# Measured\n", section))


def write_head(path, head):
    """Writes what stands before the first section."""
    _, sections = split(path.read_text())
    path.write_text("\n".join([head, *sections.values()]))
