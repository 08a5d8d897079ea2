// What a proof's check costs on Ethereum: node gas.mjs tribute|ultrahonk|groth16|ezkl FOLDER [CRS]. FOLDER is that of
// `measure --evm`, ultrahonk.mjs, groth16.mjs or ezkl_peer.py. Prints one line of JSON: the gas of a transaction that only
// checks the proof.
//
// Everybody's own contract, on anvil. The proof must be accepted and an altered one refused.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { timed } from "./timed.mjs";

const contracts = new URL("../../verifier-contract/", import.meta.url);
const require = createRequire(contracts);
const solc = require("solc");
const [system, given, crs] = process.argv.slice(2);
const folder = resolve(given);

/** Gas of a transaction, at most. */
const GAS = "0xf42400";
const word = (x) => BigInt(x).toString(16).padStart(64, "0");
const bytes = (data) => word(data.length) + data.toString("hex").padEnd(Math.ceil(data.length / 32) * 64, "0");

function compiled(source, settings) {
  const input = { language: "Solidity", sources: { "V.sol": { content: source } }, settings: { ...settings, outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.methodIdentifiers"] } } } };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const fatal = (output.errors ?? []).filter((e) => e.severity === "error");
  if (fatal.length) throw new Error(fatal.map((e) => e.formattedMessage).join("\n"));
  return Object.values(output.contracts["V.sol"]);
}

/** The verifier that Barretenberg writes, with this parameter set's [τ]₂ for the ceremony's. */
function ultrahonk() {
  const bb = new URL("./node_modules/@aztec/bb.js/build/amd64-linux/bb", import.meta.url).pathname;
  const path = join(folder, "verifier.sol");
  timed(bb, ["write_solidity_verifier", "-k", join(folder, "vk"), "-o", path, "-t", "evm", "--optimized"], folder, { CRS_PATH: resolve(crs) });
  const theirs = [
    "0x260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1", "0x0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0",
    "0x04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4", "0x22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55",
  ];
  const ours = JSON.parse(readFileSync(join(crs, "g2.json"), "utf8")).flat();
  let source = readFileSync(path, "utf8");
  theirs.forEach((constant, i) => {
    const short = new RegExp(`0x0*${constant.slice(2).replace(/^0+/, "")}`, "g");
    if (!short.test(source)) throw new Error(`no constant ${constant} in Barretenberg's verifier`);
    source = source.replace(short, ours[i]);
  });
  const [contract] = compiled(source, { optimizer: { enabled: true, runs: 1 } }).filter((c) => Object.keys(c.evm.methodIdentifiers).some((m) => m.startsWith("verify(")) && c.evm.bytecode.object);
  const proof = readFileSync(join(folder, "proof"));
  const inputs = readFileSync(join(folder, "public_inputs"));
  const call = (proof) => `0x${contract.evm.methodIdentifiers["verify(bytes,bytes32[])"]}${word(64)}${word(64 + 32 + Math.ceil(proof.length / 32) * 32)}${bytes(proof)}${word(inputs.length / 32)}${inputs.toString("hex")}`;
  const altered = Buffer.from(proof);
  altered[altered.length - 1] ^= 1;
  return { code: contract.evm.bytecode.object, good: call(proof), bad: call(altered) };
}

/** snarkjs' verifier with the key that arkworks made. */
function groth16() {
  const { proof, inputs, key } = JSON.parse(readFileSync(join(folder, "proof.json"), "utf8"));
  const decimal = (x) => BigInt(x).toString();
  // the template expects real parts first
  const g2 = (p) => p.map(([c1, c0]) => [decimal(c0), decimal(c1)]);
  const template = readFileSync(new URL("./node_modules/snarkjs/templates/verifier_groth16.sol.ejs", import.meta.url), "utf8");
  const ejs = createRequire(import.meta.url)("ejs");
  const source = ejs.render(template, {
    vk_alpha_1: key.alpha.map(decimal), vk_beta_2: g2(key.beta), vk_gamma_2: g2(key.gamma), vk_delta_2: g2(key.delta), nPublic: inputs.length, IC: key.bases.map((p) => p.map(decimal)),
  });
  const [contract] = compiled(source, { optimizer: { enabled: true, runs: 100000 } });
  const [selector] = Object.values(contract.evm.methodIdentifiers);
  const call = (inputs) => `0x${selector}${[...proof.flat(2), ...inputs].map(word).join("")}`;
  return { code: contract.evm.bytecode.object, good: call(inputs), bad: call([word(BigInt(inputs[0]) ^ 1n), ...inputs.slice(1)].map((x) => (x.startsWith?.("0x") ? x : `0x${x}`))) };
}

/** EZKL's verifier, which it wrote with the call. */
function ezkl() {
  const source = readFileSync(join(folder, "verifier.sol"), "utf8");
  const [contract] = compiled(source, { optimizer: { enabled: true, runs: 1 } });
  const call = readFileSync(join(folder, "call"));
  // selector, two offsets, the proof's length, the proof
  const length = call.readUInt32BE(4 + 3 * 32 - 4);
  return { code: contract.evm.bytecode.object, ...calls(call, 4 + 3 * 32 + length - 1) };
}

/** Tribute's verifier, which answers nothing to a proof that holds and otherwise reverts. */
function tribute() {
  const call = readFileSync(join(folder, "call"));
  return { code: readFileSync(join(folder, "verifier")).toString("hex"), yes: "0x", ...calls(call, call.length - 1) };
}

/** A call, and the same with a byte of its proof altered. */
function calls(call, at) {
  const altered = Buffer.from(call);
  altered[at] ^= 1;
  return { good: `0x${call.toString("hex")}`, bad: `0x${altered.toString("hex")}` };
}

/** Starts a local chain on a free port: the process and its address. */
async function chain() {
  const program = new URL("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil", contracts).pathname;
  const anvil = spawn(program, ["--port", "0", "--code-size-limit", "100000"], { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: anvil.stdout })) {
    const address = /^Listening on (.*)$/.exec(line)?.[1];
    if (address) {
      anvil.stdout.resume();
      return { anvil, url: `http://${address}` };
    }
  }
  throw new Error("the local chain does not start");
}

async function main() {
  const { code, good, bad, yes = `0x${word(1)}` } = { tribute, ultrahonk, groth16, ezkl }[system]();
  const { anvil, url } = await chain();
  const rpc = async (method, ...params) => {
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
    const { result, error } = await answer.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  try {
    const [from] = await rpc("eth_accounts");
    const send = async (transaction) => {
      const hash = await rpc("eth_sendTransaction", { from, gas: GAS, ...transaction });
      for (;;) {
        const receipt = await rpc("eth_getTransactionReceipt", hash);
        if (receipt) return receipt;
        await new Promise((r) => setTimeout(r, 20));
      }
    };
    const { contractAddress: to, status } = await send({ data: `0x${code}` });
    if (status !== "0x1") throw new Error("the verifier's deployment failed");
    const holds = async (data) => (await rpc("eth_call", { from, to, data, gas: GAS })) === yes;
    if (!(await holds(good))) throw new Error("the contract refuses the proof");
    if (await holds(bad).catch(() => false)) throw new Error("the contract accepts an altered proof");
    // an estimate would be too low: with less gas snarkjs' verifier answers no instead of failing
    const done = await send({ to, data: good });
    if (done.status !== "0x1") throw new Error("the transaction failed");
    const gas = Number(done.gasUsed);
    console.log(JSON.stringify({ gas, calldata_bytes: good.length / 2 - 1, code_bytes: code.length / 2 }));
  } finally {
    anvil.kill();
  }
}

await main();
