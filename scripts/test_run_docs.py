#!/usr/bin/env python3
"""Tests of run_docs.py: the order of blocks, and that an incomplete run is recognised."""

import unittest

from run_docs import END, blocks, run, script, with_free_ports


def block(commands, mark=""):
    return f"```sh {mark}".rstrip() + f"\n{commands}\n```\n"


class Order(unittest.TestCase):
    def test_later_stages_wait_and_the_auditor_is_last(self):
        texts = {
            "provider": block("p1") + block("p3", "after-claim"),
            "owner": block("o1") + block("o2", "after-queries") + "```text\nnot run\n```\n",
            "auditor": block("a"),
            "client": block("c1"),
        }
        self.assertEqual([commands.strip() for _, _, commands in blocks(texts)], ["p1", "o1", "c1", "o2", "p3", "a"])

    def test_lines_are_those_of_the_page(self):
        self.assertEqual(blocks({"local": "# Title\n\n" + block("x")})[0][:2], ("local", 4))


class Runs(unittest.TestCase):
    def complete(self, *commands):
        return run(script({"local": "".join(map(block, commands))}))

    def test_good_commands_get_to_the_end(self):
        output, complete = self.complete("x=1", 'echo "$x"')
        self.assertEqual(output, ["--- docs/roles/local.md:2\n", "--- docs/roles/local.md:5\n", "1\n", END])
        self.assertTrue(complete)

    def test_what_is_left_running_does_not_keep_it(self):
        self.assertTrue(self.complete("sleep 600 &")[1])

    def test_a_failure_of_any_kind_ends_it(self):
        for command in ["false", "false | true", "none-such", 'echo "$unset"', "exit 0", "x() { false; }; x", "if"]:
            with self.subTest(command):
                output, complete = self.complete(command, "echo after")
                self.assertFalse(complete)
                self.assertNotIn("after\n", output)

    def test_ports_are_replaced_everywhere(self):
        text = with_free_ports("a 8545 b 7410 c 8545")
        _, first, _, second, _, third = text.split()
        self.assertEqual(first, third)
        self.assertTrue({"8545", "7410"}.isdisjoint({first, second}))


if __name__ == "__main__":
    unittest.main()
