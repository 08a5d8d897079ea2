// Writes src/gen: the messages from ../proto, the ABIs from ../verifier-contract/abi, and the hash's constants from the
// Python client's, so that none of them exists twice.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

process.chdir(new URL("..", import.meta.url).pathname);
rmSync("src/gen", { recursive: true, force: true });
execFileSync("node_modules/@bufbuild/buf-linux-x64/bin/buf", ["generate"], { stdio: "inherit" });

const contracts = ["AgentRegistry", "AgreedWeights", "DatasetRegistry", "Evaluations", "ProofGate", "SessionEscrow", "TestToken"];
const lines = contracts.map((name) => {
  const file = JSON.parse(readFileSync(`../verifier-contract/abi/${name}.json`, "utf8"));
  const abi = Array.isArray(file) ? file : file.abi;
  return `export const ${name[0].toLowerCase()}${name.slice(1)}Abi = ${JSON.stringify(abi)} as const;\n`;
});
mkdirSync("src/gen", { recursive: true });
writeFileSync("src/gen/abi.ts", `// Written by scripts/generate.mjs.\n${lines.join("")}`);

const python = readFileSync("../clients/python/tribute/_poseidon2.py", "utf8");
const words = (name) => {
  const list = python.match(new RegExp(`^${name} = \\(([^)]*)\\)`, "m"))?.[1].match(/0x[0-9a-fA-F]+/g);
  if (!list) throw new Error(`_poseidon2.py has no ${name}`);
  return `export const ${name.slice(1)} = [${list.map((word) => `${word}n`).join(",")}];\n`;
};
const constants = ["_DIAGONAL", "_FULL", "_PARTIAL"].map(words).join("");
writeFileSync("src/gen/poseidon2.ts", `// Written by scripts/generate.mjs.\n${constants}`);
