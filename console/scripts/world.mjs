// A chain, a service and data on this machine, for the demonstration and for the tests: throw-away keys, real proofs.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { mnemonicToAccount } from "viem/accounts";
import { toHex } from "viem";

export const ROOT = resolve(new URL("../..", import.meta.url).pathname);
const run = promisify(execFile);

/** The well-known keys of every local chain. */
const NAMES = ["operator", "owner", "client", "provider", "second"];
export const keys = Object.fromEntries(
  NAMES.map((name, addressIndex) => {
    const account = mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex });
    return [name, { address: account.address, key: toHex(account.getHdKey().privateKey) }];
  }),
);

/** A free port of this machine. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function until(what, child, ready) {
  for (let i = 0; i < 600; i++) {
    if (child.exitCode !== null) throw new Error(`${what} ended: ${child.log()}`);
    if (await ready().catch(() => false)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${what} did not start within 30 s`);
}

export class World {
  children = [];

  constructor(folder, program) {
    this.folder = resolve(folder);
    this.program = program;
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
  }

  file(name) {
    return join(this.folder, name);
  }

  json(name) {
    return JSON.parse(readFileSync(this.file(name), "utf8"));
  }

  start(program, args) {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], cwd: this.folder, env: this.env() });
    let log = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log = (log + data).slice(-20_000)));
    child.log = () => log;
    this.children.push(child);
    return child;
  }

  env() {
    return {
      ...process.env,
      TRIBUTE_ARTIFACTS: join(ROOT, "verifier-contract/out"),
      TRIBUTE_ONNXRUNTIME: join(ROOT, ".deps/ort/libonnxruntime.so"),
      TRIBUTE_CACHE: process.env.TRIBUTE_CACHE ?? join(this.folder, "cache"),
      TRIBUTE_RPC: this.rpc ?? "",
      TRIBUTE_SERVER: this.url ?? "",
      TRIBUTE_CONTRACTS: this.file("deployment.json"),
      RUST_LOG: process.env.RUST_LOG ?? "warn",
    };
  }

  /** Runs a command of the program as somebody, in the world's folder. */
  async tribute(who, ...args) {
    const env = { ...this.env(), TRIBUTE_KEY: keys[who].key };
    try {
      return (await run(this.program, args, { cwd: this.folder, env, maxBuffer: 1 << 26 })).stdout;
    } catch (error) {
      throw new Error(`tribute ${args.join(" ")}\n${error.stderr ?? error.message}`);
    }
  }

  /** JSON-RPC to the chain. */
  async chain(method, params = []) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await (await fetch(this.rpc, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code, data: answer.error.data });
    return answer.result;
  }

  /** Starts chain and service; `ports` fixes where they listen. */
  async serve({ ports = {}, names = [] } = {}) {
    const at = ports.chain ?? (await freePort());
    const anvil = this.start(join(ROOT, "verifier-contract/bin/anvil"), ["--silent", "--port", String(at), "--hardfork", "osaka"]);
    this.rpc = `http://127.0.0.1:${at}`;
    await until("the chain", anvil, () => this.chain("eth_chainId"));
    await this.tribute("operator", "chain", "deploy", "--thaw-seconds", "60");
    this.servicePort = ports.service ?? (await freePort());
    await this.startService(names);
  }

  async startService(names = []) {
    const listen = `127.0.0.1:${this.servicePort}`;
    const arguments_ = ["serve", "--listen", listen, "--data", this.file("service"), "--rpc", this.rpc, "--public-rpc", this.rpc, "--contracts", this.file("deployment.json"), "--operator", keys.operator.address, "--stop-with-stdin"];
    this.service = this.start(this.program, [...arguments_, ...names.flatMap((name) => ["--name", name])]);
    this.url = `http://${listen}`;
    await until("the service", this.service, async () => this.service.log().includes("listening on"));
  }

  /** Another worker of the same service. */
  startWorker() {
    return this.start(this.program, ["worker", "--data", this.file("service"), "--lease-ms", "1000", "--stop-with-stdin"]);
  }

  async stopService() {
    this.service.kill("SIGTERM");
    await once(this.service, "exit");
  }

  /** Writes the wine records as the files of three parties, and a schema of all of them. */
  async seed() {
    const [header, ...rows] = readFileSync(join(ROOT, "examples/wine.csv"), "utf8").trim().split("\n");
    const part = (name, from, to) => writeFileSync(this.file(name), `${[header, ...rows.slice(from, to)].join("\n")}\n`);
    part("clinic.csv", 0, 70);
    part("laboratory.csv", 70, 138);
    part("questions.csv", 138, 178);
    await this.tribute("operator", "schema", "infer", join(ROOT, "examples/wine.csv"), "--name", "wine", "--out", "schema.json");
    await this.tribute("operator", "circuits", "add", "--schema", "schema.json", "--link", "softmax", "--evaluation", "--out", "circuits.json");
    await this.tribute("second", "dataset", "register", "laboratory.csv", "--schema", "schema.json", "--min-data-bps", "3000", "--out", "laboratory.json");
    await this.tribute("second", "chain", "register-dataset", "laboratory.json");
    await this.tribute("client", "chain", "mint", "--to", keys.client.address, "--amount", "5000000");
  }

  /** A certified agent on the seeded data, as if its people had been here before. */
  async certify() {
    const dataset = this.json("laboratory.json").dataset_id;
    await this.tribute("second", "chain", "grant", dataset, "--to", keys.owner.address, "--uses", "5", "--min-share-bps", "100");
    await this.tribute("owner", "agent", "train", "--dataset", dataset, "--link", "softmax", "--lambda", "0.001", "--name", "wine", "--out", "agent.json");
    const weights = this.json("agent.json").weights_digest;
    await this.tribute("owner", "chain", "create-agent", "--name", "wine", "--service", this.url, "--about", "which of three cultivars a wine is from, by 13 measurements", "--out", "created.json");
    const agent = this.json("created.json").agent_id;
    await this.tribute("owner", "chain", "propose-version", agent, "--trained", "agent.json", "--circuits", "circuits.json", "--data-bps", "4000", "--price", "10");
    await this.tribute("owner", "agent", "prove-gradients", weights, "--out", "gradients.json");
    await this.tribute("owner", "agent", "prove-optimum", weights, "--agent-id", agent, "--version", "1", "--out", "optimum.json");
    await this.tribute("owner", "chain", "certify", agent, "--version", "1", "--gradients", "gradients.json", "--optimum", "optimum.json");
    await this.tribute("owner", "agent", "certificate", weights, "--out", "certificate.json");
    await this.tribute("owner", "dataset", "register", "questions.csv", "--schema", "schema.json", "--out", "other.json");
    await this.tribute("owner", "chain", "register-dataset", "other.json");
    await this.tribute("owner", "agent", "evaluate", weights, "--dataset", this.json("other.json").dataset_id, "--out", "evaluation.json");
    await this.tribute("owner", "chain", "submit-evaluation", "evaluation.json");
  }

  stop() {
    for (const child of this.children) child.kill("SIGTERM");
  }
}
