#!/usr/bin/env python3
"""The text agent: three experts bring short texts, an owner trains an agent on all of them, and a client asks it in plain text.

Certified, served and paid on a local chain with real proofs. Texts are WordNet's glosses, to be sorted by topic. A pinned
sentence-embedding model turns them into features, on the machine of whoever brings or asks a text. `make demo-text` sets everything up.

    text_agent.py SET [--texts N]      SET has minilm.onnx and data.noun, as scripts/text-set.sh makes them
"""

import argparse
import random
import re
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import tribute
from tribute.chain import Chain

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from local_world import DEPLOYER, World, local_world  # noqa: E402

EXPERTS = {
    "naturalist": ("animal", "plant", "food", "body"),
    "engineer": ("artifact", "substance", "phenomenon", "shape"),
    "scholar": ("person", "communication", "cognition", "event"),
}
FILES = """Tops act animal artifact attribute body cognition communication event feeling food group location motive object person
phenomenon plant possession process quantity relation shape state substance time""".split()
"""WordNet's lexicographer files of nouns, from number 3 on."""
OWNER, CLIENT, FIRST_EXPERT = 1, 2, 3
HELD_OUT = 50
"""Texts of each class that no expert brings."""
QUESTIONS = 12
PRICE, ESCROW = 10_000, 1_000_000
C = 10.0


def glosses(path: Path, count: int) -> dict[str, list[str]]:
    """`count` definitions for each class, without their examples, in an order that does not depend on the machine."""
    found: dict[str, list[str]] = {label: [] for labels in EXPERTS.values() for label in labels}
    for line in path.read_text().splitlines():
        if line.startswith("  "):  # the licence
            continue
        head, gloss = line.split(" | ", 1)
        text = re.sub(r'\s*"[^"]*".*', "", gloss).strip().rstrip(";").strip()
        label = FILES[int(head.split()[1]) - 3]
        if label in found and 20 <= len(text) <= 160 and text not in found[label]:
            found[label].append(text)
    for label, texts in found.items():
        random.Random(label).shuffle(texts)
        del texts[count:]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--texts", type=int, default=200, help="texts of each class that its expert brings")
    asked = parser.parse_args()
    start = time.monotonic()
    with local_world() as world:
        run(world, asked.set, asked.texts)
    print(f"\nTotal: {time.monotonic() - start:.0f} s.")


def run(world: World, folder: Path, texts_a_class: int) -> None:
    extractor = tribute.Extractor(folder / "minilm.onnx", cache=folder / "cache")
    texts = glosses(folder / "data.noun", texts_a_class + HELD_OUT)
    classes = list(texts)
    brought = {label: found[:-HELD_OUT] for label, found in texts.items()}
    held_out = [(text, label) for label, found in texts.items() for text in found[-HELD_OUT:]]
    began = time.monotonic()
    extractor([text for found in texts.values() for text in found])
    print(f"{sum(map(len, texts.values())):,} texts embedded in {time.monotonic() - began:.1f} s (cached ones are not embedded again)")

    # the owner publishes the schema: classes, ranges and the model that makes features
    seen = extractor([text for found in brought.values() for text in found])
    schema = extractor.schema("glosses", seen, classes)
    print(f"schema 0x{schema.id.hex()[:10]}…: {len(schema.features)} features of the model {extractor.sha256.hex()[:10]}…, {len(classes)} classes")
    (world.folder / "schema.json").write_text(schema.canonical)
    world.command("circuits", "add", "--schema", "schema.json", "--link", "softmax", "--intercept-scale", "3", key=DEPLOYER)

    # every expert embeds its texts and registers the features; it keeps the texts
    ids = []
    for number, (expert, labels) in enumerate(EXPERTS.items()):
        pairs = [(text, label) for label in labels for text in brought[label]]
        random.Random(expert).shuffle(pairs)
        features, targets = extractor([text for text, _ in pairs]), [label for _, label in pairs]
        with world.client(FIRST_EXPERT + number) as client:
            terms = {"open_training": True, "min_data": 0.4, "intercept_scale": 3}
            dataset = client.register((features, targets), schema, **terms)
        world.register(dataset, FIRST_EXPERT + number)
        ids.append(dataset.id)
        print(f"{expert:12} {dataset.records:,} texts in {dataset.shards} shards, dataset 0x{dataset.id.hex()[:10]}…")

    # the owner certifies an agent over all of them, beside scikit-learn on the same embeddings
    x, y = extractor([text for text, _ in held_out]), np.array([label for _, label in held_out])
    everything = [(text, label) for label, found in brought.items() for text in found]
    model = LogisticRegression(C=C, max_iter=2000)
    model.fit(extractor([text for text, _ in everything]), [label for _, label in everything])
    with world.client(OWNER) as owner:
        chain = Chain(world.rpc, owner)
        began = time.monotonic()
        result = tribute.certify(
            model,
            [chain.dataset(id, schema) for id in ids],
            owner,
            name="glosses",
            compare=(x, y),
            chain=chain,
            data_part=0.4,
            price=PRICE,
        )
        print(f"certified on chain in {time.monotonic() - began:.0f} s: version {result.version} of agent 0x{result.agent_id.hex()[:10]}…")
    moved = result.moved
    print(f"accuracy on {moved.answers} other texts: scikit-learn {moved.accuracy_before:.4f}, certified agent {moved.accuracy_after:.4f}; "
          f"{len(moved.differing)} answers differ, largest margin {max(moved.margins, default=0.0):.3f}")
    verified = tribute.verify(result.certificate, allow_dev_srs=True)
    for expert, id in zip(EXPERTS, ids):
        print(f"{expert:12} share {verified.shares[f'0x{id.hex()}']:.2%}")

    # a client asks in plain text; its own machine runs the model
    with world.client(CLIENT) as client:
        chain = Chain(world.rpc, client)
        chain.send(chain.token.functions.mint(client.account.address, ESCROW))
        session_id = chain.open_session(result.agent_id, version=result.version, price=PRICE, escrow=ESCROW)
        client.open_session(session_id, result.agent)
        session = tribute.Session(client, session_id, world.folder / "session.json", extractor=extractor)
        for text, label in random.Random(12).sample(held_out, QUESTIONS):
            answer = session.ask(text)
            print(f"  {'right' if answer == label else 'WRONG'}  {answer:14} {text[:90]}")
        session.submit_voucher()
        assert [a["label"] for a in session.answers] == tribute.answers(
            result.agent, extractor([text for text, _ in random.Random(12).sample(held_out, QUESTIONS)])
        ), "the service's answers are those of the certified weights"

    # the service proves its answers, the chain pays the experts
    with world.client(OWNER) as owner:
        claim = owner.prove_answers(result.agent, [session_id])
        assert Chain(world.rpc, owner).claim(claim) == QUESTIONS * PRICE
    paid = 0
    for number, (expert, id) in enumerate(zip(EXPERTS, ids)):
        with world.client(FIRST_EXPERT + number) as client:
            earned = Chain(world.rpc, client).withdraw(result.agent_id, result.version, id)
        print(f"{expert:12} was paid {earned:,}")
        paid += earned
    due = QUESTIONS * PRICE * 4 // 10
    assert due - len(EXPERTS) <= paid <= due, (paid, due)
    print(f"{QUESTIONS} answers at {PRICE:,}: {paid:,} of {QUESTIONS * PRICE:,} to the experts, the rest to the agent's owner")


if __name__ == "__main__":
    main()
