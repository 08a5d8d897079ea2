// What pages read from the chain, and the transactions that they ask the wallet to send.
import {
  createPublicClient, custom, decodeEventLog, encodeFunctionData, getAddress, http, isAddress, zeroAddress,
  type Abi, type Address, type ContractEventName, type EIP1193Provider, type Hex, type PublicClient, type TransactionReceipt,
} from "viem";
import { agentRegistryAbi, agreedWeightsAbi, datasetRegistryAbi, evaluationsAbi, proofGateAbi, sessionEscrowAbi, testTokenAbi } from "../gen/abi";
import type { Proof } from "../gen/tribute/v1/common_pb";
import type { ServerInfo } from "../gen/tribute/v1/server_service_pb";
import { hex } from "./bytes";
import { Problem } from "./problem";

const CHOICE = "tribute.rpc";
/** Blocks of a range that a node is asked for again where it refuses more. */
const SMALLEST = 1_000n;

/**
 * The node that pages read from. It has to be in this page's address (`?rpc=`), because the server lets the page connect
 * to that address alone, and it has to be the one that the user chose here: a link cannot choose it.
 */
export function chosenNode(): string | undefined {
  const asked = new URLSearchParams(location.search).get("rpc");
  return asked && asked === localStorage.getItem(CHOICE) ? asked : undefined;
}

/** The node that a link asks for, and that the user has not chosen. */
export function askedNode(): string | undefined {
  return new URLSearchParams(location.search).get("rpc") !== (chosenNode() ?? null)
    ? (new URLSearchParams(location.search).get("rpc") ?? undefined)
    : undefined;
}

/** Loads the page anew with this node, or without any. */
export function chooseNode(url: string): void {
  if (url && !/^https?:\/\/[\w.\-:[\]]+(\/.*)?$/.test(url)) {
    throw new Problem("A node's address begins with http:// or https:// and a host name.");
  }
  if (url) localStorage.setItem(CHOICE, url);
  else localStorage.removeItem(CHOICE);
  location.assign(`${location.pathname}${url ? `?rpc=${encodeURIComponent(url)}` : ""}${location.hash}`);
}

export interface Token {
  address: Address;
  decimals: number;
  symbol: string;
}

export const STATUS = ["unknown", "draft", "closed", "certified", "doubtful", "abandoned"] as const;
export const LINKS = ["", "squared", "logistic", "softmax"] as const;

type Log<N extends string> = { eventName: N; args: never; blockNumber: bigint; logIndex: number; transactionHash: Hex };

export interface Contract<A extends Abi> {
  address: Address;
  abi: A;
}

/** The contracts of this server, through one node. */
export class Chain {
  readonly client: PublicClient;
  readonly id: number;
  readonly agents: Contract<typeof agentRegistryAbi>;
  readonly datasets: Contract<typeof datasetRegistryAbi>;
  readonly escrow: Contract<typeof sessionEscrowAbi>;
  readonly gate: Contract<typeof proofGateAbi>;
  readonly evaluations: Contract<typeof evaluationsAbi>;
  private known: Promise<Token> | undefined;
  private divider: Promise<Contract<typeof agreedWeightsAbi>> | undefined;

  constructor(
    readonly info: ServerInfo,
    /** The node's address, or "wallet". */
    readonly node: string,
    provider?: EIP1193Provider,
  ) {
    const transport = node === "wallet" && provider ? custom(provider) : http(node, { retryCount: 1 });
    this.client = createPublicClient({ transport, pollingInterval: 500 });
    this.id = Number(info.chainId);
    this.agents = { address: hex(info.agentRegistry), abi: agentRegistryAbi };
    this.datasets = { address: hex(info.datasetRegistry), abi: datasetRegistryAbi };
    this.escrow = { address: hex(info.sessionEscrow), abi: sessionEscrowAbi };
    this.gate = { address: hex(info.proofGate), abi: proofGateAbi };
    this.evaluations = { address: hex(info.evaluations), abi: evaluationsAbi };
  }

  /** The contract that divides the fees for data: by contributions, until all owners have agreed on other weights. */
  weights(): Promise<Contract<typeof agreedWeightsAbi>> {
    this.divider ??= this.client
      .readContract({ ...this.escrow, functionName: "agreedWeights" })
      .then((address) => ({ address, abi: agreedWeightsAbi }));
    return this.divider;
  }

  token(): Promise<Token> {
    this.known ??= (async () => {
      const address = await this.client.readContract({ ...this.escrow, functionName: "token" });
      const token = { address, abi: testTokenAbi } as const;
      const [decimals, symbol] = await Promise.all([
        this.client.readContract({ ...token, functionName: "decimals" }),
        this.client.readContract({ ...token, functionName: "symbol" }),
      ]);
      return { address, decimals, symbol };
    })();
    return this.known;
  }

  /** Every event of this name since the contracts were deployed. Ranges that the node refuses are halved. */
  async events<A extends Abi, N extends ContractEventName<A>>(contract: Contract<A>, eventName: N, args?: object) {
    // not a number from before the transaction that the page has just waited for
    const last = await this.client.getBlockNumber({ cacheTime: 0 });
    const range = async (from: bigint, to: bigint): Promise<Log<N & string>[]> => {
      try {
        const found = await this.client.getContractEvents({ ...contract, eventName, args, fromBlock: from, toBlock: to, strict: true } as never);
        return found as unknown as Log<N & string>[];
      } catch (error) {
        if (to - from < SMALLEST) throw error;
        const middle = (from + to) / 2n;
        return [...(await range(from, middle)), ...(await range(middle + 1n, to))];
      }
    };
    return range(this.info.firstBlock, last);
  }

  /** Unix milliseconds of blocks. */
  async times(blocks: bigint[]): Promise<Map<bigint, number>> {
    const wanted = [...new Set(blocks)];
    const found = await Promise.all(wanted.map((blockNumber) => this.client.getBlock({ blockNumber })));
    return new Map(found.map((block) => [block.number!, Number(block.timestamp) * 1000]));
  }
}

/** A transaction that a page can ask for. */
export interface Call {
  to: Address;
  abi: Abi;
  functionName: string;
  args: readonly unknown[];
}

export const call = (contract: Contract<Abi>, functionName: string, ...args: unknown[]): Call => ({
  to: contract.address,
  abi: contract.abi,
  functionName,
  args,
});

/** Gas that the call would take now. A call that would revert throws the reason. */
export async function gasOf(chain: Chain, account: Address, c: Call): Promise<bigint> {
  const request = { address: c.to, abi: c.abi, functionName: c.functionName, args: c.args, account };
  await chain.client.simulateContract(request as never);
  return chain.client.estimateContractGas(request as never);
}

/** Asks the wallet to send a call, and waits until it is in a block. */
export async function send(chain: Chain, provider: EIP1193Provider, account: Address, c: Call): Promise<TransactionReceipt> {
  const at = Number(await provider.request({ method: "eth_chainId" }));
  if (at !== chain.id) throw new Problem(`Your wallet is on chain ${at}; this server's contracts are on chain ${chain.id}.`, "WRONG_NETWORK");
  const gas = await gasOf(chain, account, c);
  const data = encodeFunctionData({ abi: c.abi, functionName: c.functionName, args: c.args });
  const hash = await provider.request({
    method: "eth_sendTransaction",
    params: [{ from: account, to: c.to, data, gas: `0x${((gas * 5n) / 4n).toString(16)}` }],
  });
  const receipt = await chain.client.waitForTransactionReceipt({ hash, timeout: 180_000 });
  if (receipt.status !== "success") throw new Problem(`The transaction ${hash} was reverted by the contract.`, "REVERTED");
  return receipt;
}

/** Arguments of the first event of this name in a receipt. */
export function eventOf<A extends Abi, N extends ContractEventName<A>>(receipt: TransactionReceipt, contract: Contract<A>, eventName: N) {
  for (const log of receipt.logs) {
    if (log.address.toLowerCase() !== contract.address.toLowerCase()) continue;
    try {
      const decoded = decodeEventLog({ abi: contract.abi, eventName, topics: log.topics, data: log.data });
      if (decoded.eventName === eventName) return decoded.args as unknown as Record<string, never>;
    } catch {
      continue; // another event
    }
  }
  throw new Problem(`The transaction succeeded but has no event ${String(eventName)}.`);
}

/** A proof's public inputs and bytes, as contracts take them. */
export const proofArgs = (proof: Proof): { inputs: bigint[]; proof: Hex } => ({
  inputs: proof.inputs.map((word) => BigInt(hex(word))),
  proof: hex(proof.proof),
});

/** Somebody's address, if it is one: in small letters, in capitals, or with the right checksum. */
export function someAddress(text: string): Address | undefined {
  const capitals = text.slice(2) === text.slice(2).toUpperCase();
  return isAddress(text, { strict: !capitals }) && text !== zeroAddress ? getAddress(text) : undefined;
}
