// Wallets that speak EIP-1193, found by EIP-6963 or as `window.ethereum`.
import { getAddress, type Address, type EIP1193Provider, type Hex, type TypedDataDefinition } from "viem";
import { privateKeyToAccount } from "viem/accounts";

export interface Wallet {
  name: string;
  provider: EIP1193Provider;
}

/** Signs for one account: a wallet, which asks its owner, or a session key, which does not. */
export interface Signer {
  account: Address;
  asks: boolean;
  signMessage(message: string): Promise<Hex>;
  signTypedData(data: TypedDataDefinition): Promise<Hex>;
}

interface Announced extends Event {
  detail?: { info?: { name?: string; uuid?: string }; provider?: EIP1193Provider };
}

/** Chain ids of local test chains, whose nodes hold the keys of their accounts. */
const LOCAL = [31337, 1337];
const LOCAL_ACCOUNTS = 6;

/** The accounts of a local test chain, signed for by its node: a person can try everything without a wallet. */
export async function localAccounts(node: string | undefined, chainId: bigint): Promise<Wallet[]> {
  if (!node || !LOCAL.includes(Number(chainId))) return [];
  const ask = async (method: string, params: unknown): Promise<never> => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: params ?? [] });
    const response = await fetch(node, { method: "POST", body, headers: { "content-type": "application/json" } });
    const { result, error } = (await response.json()) as { result: never; error?: { code: number; message: string } };
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  };
  const accounts: Address[] = await ask("eth_accounts", []).catch(() => []);
  return accounts.slice(0, LOCAL_ACCOUNTS).map((account, i) => ({
    name: `Local account ${i}`,
    provider: {
      request: ({ method, params }: { method: string; params?: unknown }) =>
        method === "eth_requestAccounts" ? Promise.resolve([account]) : ask(method, params),
      on: () => {},
      removeListener: () => {},
    } as unknown as EIP1193Provider,
  }));
}

/** The wallets of this browser. */
export function wallets(): Promise<Wallet[]> {
  const found = new Map<string, Wallet>();
  const announced = (event: Announced): void => {
    const { info, provider } = event.detail ?? {};
    if (provider) found.set(info?.uuid ?? info?.name ?? "", { name: info?.name ?? "Wallet", provider });
  };
  addEventListener("eip6963:announceProvider", announced);
  dispatchEvent(new Event("eip6963:requestProvider"));
  return new Promise((done) =>
    setTimeout(() => {
      removeEventListener("eip6963:announceProvider", announced);
      const old = (window as { ethereum?: EIP1193Provider }).ethereum;
      if (found.size === 0 && old) found.set("", { name: "Wallet", provider: old });
      done([...found.values()]);
    }, 50),
  );
}

export async function connect(provider: EIP1193Provider): Promise<Address> {
  const [account] = await provider.request({ method: "eth_requestAccounts" });
  if (!account) throw new Error("The wallet has no account.");
  return getAddress(account);
}

/** Typed data in the JSON form of `eth_signTypedData_v4`. */
function json(data: TypedDataDefinition): string {
  const domain = data.domain ?? {};
  const kinds: Record<string, string> = {
    name: "string", version: "string", chainId: "uint256", verifyingContract: "address", salt: "bytes32",
  };
  const EIP712Domain = Object.keys(kinds).filter((k) => k in domain).map((name) => ({ name, type: kinds[name] }));
  const plain = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
  return JSON.stringify({ ...data, types: { EIP712Domain, ...data.types } }, plain);
}

export function walletSigner(provider: EIP1193Provider, account: Address): Signer {
  return {
    account,
    asks: true,
    signMessage: async (message) => {
      const data = `0x${[...new TextEncoder().encode(message)].map((b) => b.toString(16).padStart(2, "0")).join("")}` as Hex;
      return normal(await provider.request({ method: "personal_sign", params: [data, account] }));
    },
    signTypedData: async (data) =>
      normal(await provider.request({ method: "eth_signTypedData_v4", params: [account, json(data)] })),
  };
}

/** Some wallets write the recovery byte as 0 or 1. */
function normal(signature: Hex): Hex {
  const v = Number.parseInt(signature.slice(-2), 16);
  return v < 27 ? (`${signature.slice(0, -2)}${(v + 27).toString(16)}` as Hex) : signature;
}

export function keySigner(key: Hex): Signer {
  const account = privateKeyToAccount(key);
  return {
    account: account.address,
    asks: false,
    signMessage: (message) => account.signMessage({ message }),
    signTypedData: (data) => account.signTypedData(data),
  };
}
