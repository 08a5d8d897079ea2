// Asks a deployment by the package's ABIs, and deploys a contract that imports the package's interface. Types are checked by tsc.
import { readFileSync } from "node:fs";
import { deepStrictEqual, ok } from "node:assert";

import { agentRegistryAbi, sessionEscrowAbi, tributeAbi } from "@tribute/contracts";
import {
  type Abi, type Address, BaseError, ContractFunctionRevertedError, createPublicClient, createWalletClient, http, parseAbiItem,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [rpc, deploymentFile, compiledFile, key] = process.argv.slice(2);
const deployment = JSON.parse(readFileSync(deploymentFile!, "utf8"));
const client = createPublicClient({ transport: http(rpc!) });
const at = (name: string): Address => deployment[name].address;
const agent = `0x${"11".repeat(32)}` as const;

// answers have the types that the ABI says
const certified: boolean = await client.readContract({
  address: at("tribute"), abi: tributeAbi, functionName: "isCertified", args: [agent, 1],
});
const status: number = await client.readContract({
  address: at("tribute"), abi: tributeAbi, functionName: "status", args: [agent, 1],
});
const period: bigint = await client.readContract({
  address: at("session_escrow"), abi: sessionEscrowAbi, functionName: "thawPeriod",
});
deepStrictEqual([certified, status, period], [false, 0, 60n]);
// @ts-expect-error there is no such function
const wrong = () => client.readContract({ address: at("tribute"), abi: tributeAbi, functionName: "isCertifed", args: [agent, 1] });
// @ts-expect-error a version is a number
const odd = () => client.readContract({ address: at("tribute"), abi: tributeAbi, functionName: "isCertified", args: [agent, "1"] });
void [wrong, odd];

// errors have names
const refused = async (call: Promise<unknown>): Promise<string | undefined> => {
  const error = await call.then(() => undefined, (e: unknown) => e);
  const reverted = error instanceof BaseError && error.walk((e) => e instanceof ContractFunctionRevertedError);
  return reverted instanceof ContractFunctionRevertedError ? reverted.data?.errorName : undefined;
};
const unknown = client.readContract({ address: at("agent_registry"), abi: agentRegistryAbi, functionName: "agentOwner", args: [agent] });
deepStrictEqual(await refused(unknown), "UnknownAgent");

// a contract that imports the interface asks the same
const compiled = JSON.parse(readFileSync(compiledFile!, "utf8")) as { abi: Abi; bytecode: `0x${string}` };
const account = privateKeyToAccount(key as `0x${string}`);
const chain = { id: deployment.chain_id, name: "local", nativeCurrency: { name: "", symbol: "", decimals: 18 }, rpcUrls: { default: { http: [rpc!] } } };
const wallet = createWalletClient({ account, chain, transport: http(rpc!) });
const hash = await wallet.deployContract({ abi: compiled.abi, bytecode: compiled.bytecode, args: [at("tribute")] });
const { contractAddress } = await client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
const admit = client.simulateContract({ address: contractAddress!, abi: compiled.abi, functionName: "admit", args: [agent, 1], account });
deepStrictEqual(await refused(admit), "NotCertified");

// events are found by name
const opened = await client.getContractEvents({
  address: at("session_escrow"), abi: sessionEscrowAbi, eventName: "SessionOpened", fromBlock: 0n,
});
deepStrictEqual(opened.map((e) => e.args.pricePerQuery), []);
ok(parseAbiItem("event Paused(address account)"));
console.log("npm: the package installs, compiles and answers");
