// The shell: who is here, which chain, which page.
import { useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import type { Address, EIP1193Provider } from "viem";
import type { ServerInfo } from "./gen/tribute/v1/server_service_pb";
import { askedNode, Chain, chooseNode, chosenNode, send } from "./lib/chain";
import { short } from "./lib/format";
import { problem, Problem } from "./lib/problem";
import { onSignIn, server, services, signedIn } from "./lib/service";
import { connect, localAccounts, walletSigner, wallets, type Wallet } from "./lib/wallet";
import { WorldContext, type World } from "./world";
import { Failure, Note, useAction } from "./parts/basics";
import { Agents } from "./pages/owner";
import { Across } from "./pages/across";
import { AgentPage } from "./pages/agent";
import { Auditor } from "./pages/auditor";
import { Client } from "./pages/client";
import { DatasetPage } from "./pages/dataset";
import { Home } from "./pages/home";
import { NewDataset } from "./pages/register";
import { Operator } from "./pages/operator";
import { Provider } from "./pages/provider";
import { Request } from "./pages/request";
import { SessionPage } from "./pages/session";
import { Train } from "./pages/train";
import { TrainingPage } from "./pages/training";
import { Offer } from "./pages/offer";

/** The parts of the address behind `#/`, and its parameters. */
export function useRoute(): { path: string[]; query: URLSearchParams } {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => {
      setHash(location.hash);
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return useMemo(() => {
    const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
    return { path: path.split("/").filter((part) => part !== "").map(decodeURIComponent), query: new URLSearchParams(query) };
  }, [hash]);
}

const ROLES: [string, string][] = [
  ["provider", "Provider"],
  ["owner", "Owner"],
  ["client", "Client"],
  ["auditor", "Auditor"],
  ["operator", "Operator"],
];

function page(path: string[], query: URLSearchParams): ReactNode {
  const [role, ...rest] = path;
  switch (role) {
    case undefined:
      return <Home />;
    case "provider":
      if (rest[0] === "register") return <NewDataset />;
      if (rest[0] === "request") return <Request query={query} />;
      if (rest[0] === "training" && rest[1]) return <TrainingPage key={rest[1]} id={rest[1]} />;
      return rest[0] === "dataset" && rest[1] ? <DatasetPage key={rest[1]} id={rest[1]} /> : <Provider />;
    case "owner":
      if (rest[0] === "train") return <Train query={query} />;
      if (rest[0] === "across") return <Across key={rest[1] ?? ""} id={rest[1]} query={query} />;
      return rest[0] === "agent" && rest[1] ? <AgentPage key={rest[1]} weights={rest[1]} /> : <Agents />;
    case "client":
      if (rest[0] === "session" && rest[1]) return <SessionPage key={rest[1]} id={rest[1]} />;
      return rest[0] === "agent" && rest[1] ? <Offer key={rest[1]} id={rest[1]} version={Number(rest[2])} /> : <Client />;
    case "auditor":
      return <Auditor />;
    case "operator":
      return <Operator />;
    default:
      return <p>There is no such page. <a href="#/">Go to the start.</a></p>;
  }
}

export function App(): ReactNode {
  const { path, query } = useRoute();
  const [info, setInfo] = useState<ServerInfo>();
  const [failed, setFailed] = useState<Problem>();
  const [found, setFound] = useState<Wallet[]>();
  const [wallet, setWallet] = useState<{ provider: EIP1193Provider; account: Address; chainId: number }>();
  const [, tick] = useState(0);
  const action = useAction();

  const load = useCallback(() => {
    services().servers.getServerInfo({}).then((i) => (setInfo(i), setFailed(undefined)), (e: unknown) => setFailed(problem(e)));
  }, []);
  useEffect(load, [load]);
  useEffect(() => onSignIn(() => tick((n) => n + 1)), []);
  useEffect(() => {
    // a token that ends changes what pages may ask for
    const timer = setInterval(() => tick((n) => n + 1), 15_000);
    return () => clearInterval(timer);
  }, []);

  const enter = useCallback(async (provider: EIP1193Provider): Promise<void> => {
    const account = await connect(provider);
    const chainId = Number(await provider.request({ method: "eth_chainId" }));
    setWallet({ provider, account, chainId });
    setFound(undefined);
  }, []);
  useEffect(() => {
    if (!wallet) return;
    const { provider } = wallet;
    const again = (): void => void enter(provider).catch(() => setWallet(undefined));
    provider.on?.("accountsChanged", again);
    provider.on?.("chainChanged", again);
    return () => {
      provider.removeListener?.("accountsChanged", again);
      provider.removeListener?.("chainChanged", again);
    };
  }, [wallet, enter]);

  const choose = useCallback(
    () =>
      void action.run(async () => {
        const node = info && (chosenNode() ?? (info.publicRpc || undefined));
        const all = [...(await wallets()), ...(await localAccounts(node, info?.chainId ?? 0n))];
        if (all.length === 0) {
          throw new Problem("This browser has no wallet. Install one that speaks EIP-1193, such as a wallet extension, and come back.");
        }
        if (all.length === 1) await enter(all[0]!.provider);
        else setFound(all);
      }),
    [action, enter, info],
  );

  const signer = useMemo(() => wallet && walletSigner(wallet.provider, wallet.account), [wallet]);
  const chain = useMemo(() => {
    if (!info || info.chainId === 0n) return undefined;
    const node = chosenNode() ?? (info.publicRpc || undefined);
    if (node) return new Chain(info, node);
    return wallet && wallet.chainId === Number(info.chainId) ? new Chain(info, "wallet", wallet.provider) : undefined;
  }, [info, wallet]);
  const calls = useMemo(() => services(info, signer), [info, signer]);

  const wrong = wallet && info && info.chainId !== 0n && wallet.chainId !== Number(info.chainId);
  const signed = signer !== undefined && signedIn(signer.account);
  const world: World | undefined = info && {
    info,
    services: calls,
    chain,
    signer,
    signedIn: signed,
    connect: choose,
    async send(c) {
      if (!wallet || !chain) throw new Problem("Connect a wallet first.", "NO_WALLET");
      return send(chain, wallet.provider, wallet.account, c);
    },
  };
  const asked = askedNode();

  return (
    <>
      <a className="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to the page
      </a>
      <header className="top">
        <a className="brand" href="#/"><img src="/icon.svg" alt="" width="28" height="28" /> Tribute</a>
        <nav aria-label="Roles">
          {ROLES.map(([role, name]) => (
            <a key={role} href={`#/${role}`} aria-current={path[0] === role ? "page" : undefined}>{name}</a>
          ))}
        </nav>
        <div className="who">
          {wallet ? (
            <span className="chip" title={wallet.account}>
              <span className="dot" data-good={!wrong} aria-hidden="true" /> <code>{short(wallet.account)}</code>
              {signed && <span className="soft"> signed in</span>}
              <button className="link" onClick={() => setWallet(undefined)}>leave</button>
            </span>
          ) : (
            <button className="small" onClick={choose}>Connect wallet</button>
          )}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Failure problem={action.failure} />
        {found && (
          <Note title="Which wallet?">
            {found.some((w) => w.name.startsWith("Local")) && <p>Local accounts belong to the test chain on this machine: its node signs for them, and they are worth nothing.</p>}
            <div className="row">
              {found.map((w) => (
                <button key={w.name} onClick={() => void action.run(() => enter(w.provider))}>{w.name}</button>
              ))}
            </div>
          </Note>
        )}
        {asked && (
          <Note kind="warning" title="The link that you followed wants this page to read the chain from another node.">
            <p>A node can show you a chain that does not exist. Use <code>{asked}</code> only if you trust it.</p>
            <div className="row">
              <button onClick={() => chooseNode(asked)}>Use it</button>
              <button className="quiet" onClick={() => chooseNode("")}>Do not use it</button>
            </div>
          </Note>
        )}
        {wrong && wallet && (
          <Note kind="warning" title={`Your wallet is on chain ${wallet.chainId}, this server's contracts are on chain ${info.chainId}.`}>
            <p>Nothing can be sent until the wallet changes.</p>
            <button
              onClick={() =>
                void action.run(async () => {
                  const chainId = `0x${info.chainId.toString(16)}` as const;
                  await wallet.provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
                  await enter(wallet.provider);
                })
              }
            >
              Switch the wallet to chain {String(info.chainId)}
            </button>
          </Note>
        )}
        {failed && (
          <Note kind="warning" title={`The server ${server} does not answer.`}>
            <p>{failed.message}</p>
            <button onClick={load}>Try again</button>
          </Note>
        )}
        {world ? <WorldContext value={world}>{page(path, query)}</WorldContext> : !failed && <p className="soft">Asking the server…</p>}
      </main>
      <footer>
        <p>
          This page comes from <code>{server}</code>
          {info && <>, Tribute {info.version}</>}. {chain ? <>It reads the chain from <code>{chain.node === "wallet" ? "your wallet" : chain.node}</code>.</> : "It reads no chain."}{" "}
          <a href="#/operator">Change</a>
        </p>
        {info?.developmentSrs && <p>Proofs here are made under development parameters, which anybody can forge: this server is for trying things out.</p>}
      </footer>
    </>
  );
}
