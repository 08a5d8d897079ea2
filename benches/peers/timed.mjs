// Processes with their time and memory.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const target = process.env.CARGO_TARGET_DIR ?? new URL("../../target", import.meta.url).pathname;

/** The program of src/main.rs. */
export const peers = join(target, "release/tribute-bench-peers");

/** Runs a command, which must end with `code`. Returns its output, seconds, CPU seconds and peak memory. `folder` holds the report. */
export function timed(command, args, folder, env = {}, code = 0) {
  const report = join(folder, "time.json");
  const script = new URL("./timed.py", import.meta.url).pathname;
  const done = spawnSync("python3", [script, report, command, ...args], { encoding: "utf8", env: { ...process.env, ...env }, maxBuffer: 1 << 28 });
  if (done.status !== code) throw new Error(`${command} ${args.join(" ")}: ${done.stdout}\n${done.stderr}`);
  return { stdout: done.stdout, stderr: done.stderr, ...JSON.parse(readFileSync(report, "utf8")) };
}
