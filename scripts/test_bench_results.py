#!/usr/bin/env python3
"""Tests of benches/results.py: sections in place, and budgets that several commands write."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
import results
from results import BUDGETS, DIGITS, PARTS, PROOFS, SIZES, Section, split, with_section


def row(text, budget):
    return next(line.strip("| ").split(" | ") for line in split(text)[1][BUDGETS].splitlines() if line.startswith(f"| {budget.what} |"))


class Results(unittest.TestCase):
    def test_a_section_replaces_the_one_of_its_heading_and_no_other(self):
        text = "# Measured\n\n## k\n\nold\n\n## Written by hand\n\nstays\n"
        head, sections = split(with_section(text, Section(SIZES, ["new\n"])))
        self.assertEqual(head, "# Measured\n")
        self.assertEqual(list(sections), [BUDGETS, SIZES, "## Written by hand"])
        self.assertEqual(sections[SIZES], "## k\n\nnew\n")
        self.assertEqual(sections["## Written by hand"], "## Written by hand\n\nstays\n")

    def test_sections_stand_in_order_whatever_is_written_first(self):
        text = with_section(with_section("# Measured\n", Section(SIZES, [])), Section(PROOFS, []))
        self.assertEqual(list(split(text)[1]), [BUDGETS, PROOFS, SIZES])

    def test_each_command_renews_its_own_figures_of_a_budget(self):
        text = with_section("# Measured\n", Section(PROOFS, [], here={DIGITS: "0.40 s"}))
        self.assertEqual(row(text, DIGITS)[1:], ["2.0 s", "0.6 s", "0.40 s", "–"])
        text = with_section(text, Section(PARTS, [], floor={DIGITS: "3.6"}))
        self.assertEqual(row(text, DIGITS)[3:], ["0.40 s", "3.6"])
        text = with_section(text, Section(PROOFS, [], here={DIGITS: "0.30 s"}))
        self.assertEqual(row(text, DIGITS)[3:], ["0.30 s", "3.6"])

    def test_the_file_in_the_repository_stays_as_it_is_when_a_section_is_written_again(self):
        text = results.RESULTS.read_text()
        head, sections = split(text)
        again = with_section(text, Section(SIZES, [sections[SIZES].split("\n", 2)[2]]))
        self.assertEqual(split(again)[0], head)
        for heading, section in split(again)[1].items():
            if heading != BUDGETS:
                self.assertEqual(section, sections[heading])


if __name__ == "__main__":
    unittest.main()
