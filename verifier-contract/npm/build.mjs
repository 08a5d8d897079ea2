// Builds the npm package for contract callers, from forge's output and the interfaces' sources.
//
//   node build.mjs DIR
//
// An ABI becomes JSON, a value of index.js, and in index.d.ts the type that `as const` gives it: every name is a literal, so
// that viem, wagmi and abitype check calls against it.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const contracts = dirname(here);
const root = dirname(contracts);
const CONTRACTS = [
  "Tribute", "AgentRegistry", "DatasetRegistry", "SessionEscrow", "AgreedWeights", "Evaluations", "ProofGate", "CircuitTimelock", "RecordVerifier",
  "CertificateValidator",
];
// For local chains only.
const LEFT_OUT = ["ITestToken.sol"];

const target = process.argv[2];
if (!target) {
  console.error("usage: node build.mjs DIR");
  process.exit(1);
}

/** A JSON value as a TypeScript type of exactly that value. */
function type(value) {
  if (Array.isArray(value)) return `readonly [${value.map(type).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{ ${Object.entries(value).map(([name, v]) => `readonly ${name}: ${type(v)}`).join("; ")} }`;
  }
  return JSON.stringify(value);
}

function abi(contract) {
  const file = join(contracts, "out", `${contract}.sol`, `${contract}.json`);
  try {
    return JSON.parse(readFileSync(file, "utf8")).abi.filter((entry) => entry.type !== "constructor");
  } catch (error) {
    throw new Error(`${file}: ${error.message}; build the contracts first (make setup)`);
  }
}

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, "abi"), { recursive: true });
let values = "// Built by verifier-contract/npm/build.mjs.\n";
let types = values;
for (const contract of CONTRACTS) {
  const name = `${contract[0].toLowerCase()}${contract.slice(1)}Abi`;
  const entries = abi(contract);
  writeFileSync(join(target, "abi", `${contract}.json`), `${JSON.stringify(entries, null, 2)}\n`);
  values += `export const ${name} = ${JSON.stringify(entries)};\n`;
  types += `/** ABI of \`${contract}\`, its errors included. */\nexport declare const ${name}: ${type(entries)};\n`;
}
writeFileSync(join(target, "index.js"), values);
writeFileSync(join(target, "index.d.ts"), types);
for (const file of readdirSync(join(contracts, "src", "interfaces"))) {
  if (!LEFT_OUT.includes(file)) cpSync(join(contracts, "src", "interfaces", file), join(target, "interfaces", file));
}
for (const file of ["package.json", "README.md"]) cpSync(join(here, file), join(target, file));
for (const file of ["LICENSE-APACHE", "LICENSE-MIT"]) cpSync(join(root, file), join(target, file));
