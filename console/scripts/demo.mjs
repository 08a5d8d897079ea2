// `make demo-web`: a chain, a service with its console, and data, until Ctrl-C.
import { join } from "node:path";
import { keys, ROOT, World } from "./world.mjs";

const program = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/tribute");
const world = new World(join(ROOT, "demo-web"), program);
const stop = () => {
  world.stop();
  process.exit();
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
try {
  console.log("starting a chain and a service …");
  await world.serve({ ports: { chain: 8545, service: 7410 } });
  console.log("making the circuits, a first dataset and a certified agent …");
  await world.seed();
  await world.certify();
} catch (error) {
  console.error(String(error.message ?? error));
  world.stop();
  process.exit(1);
}
console.log(`
The console: ${world.url}/

Press “Connect wallet” there. Choose a local account, which the test chain signs for, or add the chain to a wallet of your
own (address ${world.rpc}, chain id 31337) and import one of the chain's well-known keys. Nothing here is worth anything.

  Local account 0  ${keys.operator.address}  operates the service: sees its queue, workers and health
  Local account 1  ${keys.owner.address}  owns the agent “wine”, can train another
  Local account 2  ${keys.client.address}  has 5 test tokens to ask with
  Local account 3  ${keys.provider.address}  can register ${world.file("clinic.csv")}
  Local account 4  ${keys.second.address}  owns the dataset that “wine” was trained on

Files to use there:
  ${world.file("clinic.csv")}        records to register, with the schema below
  ${world.file("schema.json")}       their schema
  ${world.file("questions.csv")}     40 questions to the agent
  ${world.file("certificate.json")}  a certificate to check
  ${world.file("evaluation.json")}   how often the agent is right on records that it was not trained on

Ctrl-C ends all of it.`);
