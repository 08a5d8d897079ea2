#!/usr/bin/env python3
"""Sentence embeddings of WordNet's glosses as a table: 384 columns and the topic, shuffled.

    text_csv.py SET FILE [--texts N]      SET has minilm.onnx and data.noun, as scripts/text-set.sh makes them
"""

import argparse
import random
import sys
from pathlib import Path

import tribute

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from text_agent import glosses  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--texts", type=int, default=250, help="texts of each topic")
    asked = parser.parse_args()
    extractor = tribute.Extractor(asked.set / "minilm.onnx", cache=asked.set / "cache")
    pairs = [(text, label) for label, texts in glosses(asked.set / "data.noun", asked.texts).items() for text in texts]
    random.Random(0).shuffle(pairs)
    embeddings = extractor([text for text, _ in pairs])
    with open(asked.file, "w") as file:
        file.write(",".join(f"e{i}" for i in range(embeddings.shape[1])) + ",label\n")
        for row, (_, label) in zip(embeddings, pairs):
            file.write(",".join(f"{x:.6f}" for x in row) + f",{label}\n")


if __name__ == "__main__":
    main()
