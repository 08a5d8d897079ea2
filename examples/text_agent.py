#!/usr/bin/env python3
"""The text agent: three experts have short texts, an owner trains an agent on all of them, and a client asks it in plain text.

Every expert has a node, where the texts' features stay: the owner's node gets masked sums of them, and the proofs. Certified, served
and paid on a local chain with real proofs. Texts are WordNet's glosses, to be sorted by topic. A pinned sentence-embedding model turns
them into features, on the machine of whoever brings or asks a text. `make demo-text` sets everything up.

    text_agent.py SET [--texts N] [--record FILE]      SET has minilm.onnx and data.noun, as scripts/text-set.sh makes them
"""

import argparse
import json
import random
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import tribute
from tribute.chain import Chain
from tribute.mapping import mapping

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
    parser.add_argument("--record", type=Path, metavar="FILE", help="results file in which to write the section on this agent anew")
    asked = parser.parse_args()
    start = time.monotonic()
    with local_world() as world, ExitStack() as stack:
        nodes = [stack.enter_context(world.node(expert)) for expert in EXPERTS]
        row = run(world, nodes, asked.set, asked.texts)
    seconds = time.monotonic() - start
    print(f"\nTotal: {seconds:.0f} s.")
    if asked.record:
        record(asked.record, (*row, f"{seconds:.0f} s"))


def record(file: Path, row: tuple[str, ...]) -> None:
    """Writes the section on this agent into a results file."""
    sys.path.insert(0, str(ROOT / "benches"))
    from results import TEXT, Section, table, write

    columns = ("texts of three experts", "features → topics", "rounds", "training and proofs", "other texts", "scikit-learn",
               "certified agent", "answers that differ", "whole demo")
    parts = [
        "`make demo-text RECORD=benches/RESULTS.md`: WordNet's glosses by topic, as sentence embeddings that stay at their experts' nodes, beside "
        f"scikit-learn's `LogisticRegression(C={C:g})` on all embeddings in one place. Accuracies are those on other texts.\n",
        table(columns, [row]),
    ]
    write(file, Section(TEXT, parts))


def run(world: World, nodes: list[World], folder: Path, texts_a_class: int) -> tuple[str, ...]:
    """Plays it all; `world` has the owner's node. Returns the numbers for :func:`record`."""
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
    statement = ["--schema", "schema.json", "--link", "softmax", "--intercept-scale", "3"]
    world.command("circuits", "add", *statement, "--out", "circuits.json", key=DEPLOYER)

    # every expert embeds its texts and commits to the features at its own node; it keeps the texts
    ids = []
    for number, (node, (expert, labels)) in enumerate(zip(nodes, EXPERTS.items())):
        pairs = [(text, label) for label in labels for text in brought[label]]
        random.Random(expert).shuffle(pairs)
        features, targets = extractor([text for text, _ in pairs]), [label for _, label in pairs]
        with node.client(FIRST_EXPERT + number) as client:
            terms = {"open_training": True, "min_data": 0.4, "intercept_scale": 3}
            # three of this model's features are next to zero for every text, which one range for all makes coarse
            dataset = client.register((features, targets), schema, accept=["coarse"], **terms)
        node.register(dataset, FIRST_EXPERT + number)
        ids.append(dataset.id)
        print(f"{expert:12} {dataset.records:,} texts, dataset 0x{dataset.id.hex()[:10]}…")

    # scikit-learn on the same embeddings, in one place: the agent is to be its equal
    x, y = extractor([text for text, _ in held_out]), np.array([label for _, label in held_out])
    everything = [(text, label) for label, found in brought.items() for text in found]
    model = LogisticRegression(C=C, max_iter=2000)
    model.fit(extractor([text for text, _ in everything]), [label for _, label in everything])
    penalty = mapping(model, schema, len(everything)).penalty

    # the owner asks, every expert approves at its node, and the owner trains with all of them
    with world.client(OWNER) as owner:
        agent_id = Chain(world.rpc, owner).create_agent("glosses")
    began = time.monotonic()
    version = ["--version", "1"]
    at = [part for node, id in zip(nodes, ids) for part in ("--node", f"http://{node.service}=0x{id.hex()}")]
    terms = ["--lambda", repr(penalty), "--agent-id", f"0x{agent_id.hex()}", *version, "--price", str(PRICE), "--data-part", "0.4"]
    asked = json.loads(world.command("request", "ask", *at, *terms, "--purpose", "sorts definitions by topic", key=OWNER))
    for number, node in enumerate(nodes):
        node.command("request", "approve", asked["request"], key=FIRST_EXPERT + number)
    files = ["--out", "agent.json", "--gradients", "gradients.json"]
    world.command("request", "train", "request.json", "--name", "glosses", *files, key=OWNER)
    trained = json.loads((world.folder / "agent.json").read_text())
    weights, rounds, seconds = trained["weights_digest"], trained["training"]["rounds"], time.monotonic() - began
    print(f"trained in {rounds} rounds, gradients proven at the experts' nodes, in {seconds:.0f} s")
    proposed = ["--trained", "agent.json", "--circuits", "circuits.json", "--data-bps", "4000", "--price", str(PRICE)]
    world.command("chain", "propose-version", f"0x{agent_id.hex()}", *proposed, key=OWNER)
    world.command("chain", "submit-gradients", f"0x{agent_id.hex()}", *version, "--gradients", "gradients.json", key=OWNER)
    optimum = ["--agent-id", f"0x{agent_id.hex()}", *version, "--out", "optimum.json"]
    world.command("agent", "prove-optimum", weights, *optimum, key=OWNER)
    world.command("chain", "certify", f"0x{agent_id.hex()}", *version, "--optimum", "optimum.json", key=OWNER)
    with world.client(OWNER) as owner:
        agent, certificate = owner.agent(weights), owner.certificate(weights)
    print(f"certified on chain: version 1 of agent 0x{agent_id.hex()[:10]}…")
    theirs, ours = model.predict(x), np.array(tribute.answers(agent, x))
    before, after, differ = np.mean(theirs == y), np.mean(ours == y), int(np.sum(theirs != ours))
    print(f"accuracy on {len(y)} other texts: scikit-learn {before:.4f}, certified agent {after:.4f}; {differ} answers differ")
    verified = tribute.verify(certificate, allow_dev_srs=True)
    for expert, id in zip(EXPERTS, ids):
        print(f"{expert:12} share {verified.shares[f'0x{id.hex()}']:.2%}")

    # a client asks in plain text; its own machine runs the model
    with world.client(CLIENT) as client:
        chain = Chain(world.rpc, client)
        chain.send(chain.token.functions.mint(client.account.address, ESCROW))
        session_id = chain.open_session(agent_id, version=1, price=PRICE, escrow=ESCROW)
        client.open_session(session_id, agent)
        session = tribute.Session(client, session_id, world.folder / "session.json", extractor=extractor, schema=schema)
        for text, label in random.Random(12).sample(held_out, QUESTIONS):
            answer = session.ask(text)
            print(f"  {'right' if answer == label else 'WRONG'}  {answer:14} {text[:90]}")
        session.submit_voucher()
        assert [a["label"] for a in session.answers] == tribute.answers(
            agent, extractor([text for text, _ in random.Random(12).sample(held_out, QUESTIONS)])
        ), "the service's answers are those of the certified weights"

    # the service proves its answers, the chain pays the experts
    with world.client(OWNER) as owner:
        claim = owner.prove_answers(agent, [session_id])
        assert Chain(world.rpc, owner).claim(claim) == QUESTIONS * PRICE
    paid = 0
    for number, (expert, id) in enumerate(zip(EXPERTS, ids)):
        with world.client(FIRST_EXPERT + number) as client:
            earned = Chain(world.rpc, client).withdraw(agent_id, 1, id)
        print(f"{expert:12} was paid {earned:,}")
        paid += earned
    due = QUESTIONS * PRICE * 4 // 10
    assert due - len(EXPERTS) <= paid <= due, (paid, due)
    print(f"{QUESTIONS} answers at {PRICE:,}: {paid:,} of {QUESTIONS * PRICE:,} to the experts, the rest to the agent's owner")
    shape = f"{len(schema.features)} → {len(classes)}"
    compared = (f"{len(y):,}", f"{before:.4f}", f"{after:.4f}", str(differ))
    return (f"{len(everything):,}", shape, str(rounds), f"{seconds:.0f} s", *compared)


if __name__ == "__main__":
    main()
