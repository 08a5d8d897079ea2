#!/usr/bin/env python3
"""Training beside scikit-learn's, on the same records in one run: writes that section of benches/RESULTS.md (`make training`).

Every line is a process of its own. scikit-learn fits the standardised values, C = 1, free intercept, on as many threads; Tribute the
same records quantised to 256 steps, at the λ that means C = 1, from zero, from nearby weights, and reading its records from disk in
pieces. The same held-out records are then answered by both.

    training.py [--records SCALE]      --records 0.1: a tenth of the records, and nothing is written
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import results

ROOT = Path(__file__).resolve().parents[1]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
SHAPES = {"100,000 × 64 × 10": (100_000, 64, 10, 20), "20,000 × 384 × 10": (20_000, 384, 10, 30)}
"""Records, features, classes, informative features."""
HELD_OUT = 10_000
PIECE = 4_096
TIMES = 3
"""Alternated runs of every line, of which the fastest counts."""
STEPS = 255.0 / 256.0
DEVIATIONS = 4.5
"""On each side of the mean, as `schema infer --range standard` has them."""


def data(records, features, classes, informative):
    """Values and labels: those to train on, and those held out."""
    from sklearn.datasets import make_classification

    values, labels = make_classification(
        records + HELD_OUT,
        features,
        n_informative=informative,
        n_redundant=0,
        n_classes=classes,
        n_clusters_per_class=1,
        class_sep=2.0,
        random_state=1,
    )
    return values[:records], labels[:records], values[records:], labels[records:]


def peer(shape, tolerance):
    """scikit-learn's fit, in this process."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    train, labels, held_out, held_out_labels = data(*shape)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scaled = (train - mean) / scale
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    model = LogisticRegression(C=1.0, tol=tolerance, max_iter=10_000).fit(scaled, labels)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = model.predict((held_out - mean) / scale)
    print(json.dumps({
        "seconds": seconds,
        "steps": int(np.max(model.n_iter_)),
        "peak_rss_mb": max(before, after) // 1024,
        "accuracy": float(np.mean(answers == held_out_labels)),
        "answers": answers.tolist(),
    }))


def run(command, **environment):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measured(name, shape, work):
    """Lines of the table."""
    import numpy as np

    records, features, classes, _ = shape
    train, labels, held_out, held_out_labels = data(*shape)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    lo, hi = mean - DEVIATIONS * scale, mean + DEVIATIONS * scale

    def steps(values):
        return np.clip(np.rint((values - lo) * 255.0 / (hi - lo)), 0, 255).astype(np.uint8)

    file, weights = work / "records", work / "weights"
    np.hstack([steps(train), labels.astype(">u2").view(np.uint8).reshape(-1, 2)]).tofile(file)
    penalty = (STEPS / (2 * DEVIATIONS)) ** 2 / records
    base = [RELEASE / "train", file, "--features", features, "--classes", classes, "--lambda", penalty, "--weights", weights]
    threads = str(os.cpu_count())
    script = [sys.executable, __file__, "--peer", json.dumps(shape)]
    commands = {
        "scikit-learn, tol = 1e-4 (its default)": [*script, "--tolerance", 1e-4],
        "scikit-learn, tol = 1e-8": [*script, "--tolerance", 1e-8],
        "Tribute": base,
        "Tribute, from the optimum of 2 λ": [*base, "--warm"],
        f"Tribute, pieces of {PIECE:,} records from disk": [*base, "--pieces", PIECE],
    }
    once = lambda command: run(command, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)  # noqa: E731
    times = {who: [] for who in commands}
    for _ in range(TIMES - 1):
        for who, command in commands.items():
            times[who].append(once(command)["seconds"])
    lines = []
    for who, command in commands.items():
        line = once(command)
        line["seconds"] = min(*times[who], line["seconds"])
        if "answers" in line:
            answers = np.array(line["answers"])
        else:
            w = np.fromfile(weights, dtype="<i8").reshape(features + 1, classes)
            logits = steps(held_out).astype(np.int64) @ w[1:] + 256 * 8 * w[0]
            answers = np.argmax(logits, axis=1)
            line["accuracy"] = float(np.mean(answers == held_out_labels))
        if who.endswith("1e-8"):
            reference = answers
        line |= {"set": name, "who": who, "answers": answers}
        lines.append(line)
        print(f"{name}, {who}: {line['seconds']:.2f} s, {line['steps']} steps, accuracy {line['accuracy']:.4f}", flush=True)
    for line in lines:
        line["differ"] = int(np.sum(line.pop("answers") != reference))
    return lines


def section(lines):
    rows = [
        (line["set"], line["who"], f"{line['seconds']:.2f} s", line["steps"], f"{line['peak_rss_mb']:,} MB",
         f"{line['accuracy']:.4f}", f"{line['differ']:,}")
        for line in lines
    ]
    parts = [
        "`make training`: `LogisticRegression(C=1)` with lbfgs on standardised values, and Tribute's training on the same records "
        "quantised to 256 steps, at the λ that means C = 1, intercept scale 3, to a gradient below 1e-11, which a certificate needs. "
        f"All on {os.cpu_count()} cores, the fastest of {TIMES} alternated runs. Peak memory of scikit-learn's lines includes making the set. Answers that differ are those of "
        f"{HELD_OUT:,} held-out records that scikit-learn with tol = 1e-8 answers differently.\n",
        results.calibration(lines),
        results.table(("records × features × classes", "trained by", "time", "steps", "peak memory", "held-out accuracy", "answers that differ"), rows),
    ]
    return results.Section(results.TRAINING, parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=float, default=1.0, metavar="SCALE")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--tolerance", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peer:
        peer(json.loads(asked.peer), asked.tolerance)
        return
    lines = []
    for name, (records, *rest) in SHAPES.items():
        with tempfile.TemporaryDirectory() as work:
            lines += measured(name, (int(records * asked.records), *rest), Path(work))
    wrong = [line for line in lines if line["differ"] > 0.005 * HELD_OUT and asked.records >= 1 and "1e-4" not in line["who"]]
    new = section(lines)
    if asked.records == 1.0:
        results.write(results.RESULTS, new)
    else:
        print(new.text())
    sys.exit("\n".join(f"{line['set']}, {line['who']}: {line['differ']} answers differ" for line in wrong) or 0)


if __name__ == "__main__":
    main()
