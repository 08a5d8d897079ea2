// A real Chromium with a wallet that the test holds the keys of.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";
import { mnemonicToAccount } from "viem/accounts";
import { ROOT } from "../scripts/world.mjs";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const SHOTS = join(ROOT, "console/shots");

/** Runs in the page: an EIP-1193 wallet whose requests the test answers. */
function inject() {
  const listeners = {};
  const provider = {
    request: async (request) => {
      const { result, error } = await window.testWallet(request);
      if (error) throw Object.assign(new Error(error.message), { code: error.code, data: error.data });
      return result;
    },
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    removeListener: (event, listener) => (listeners[event] = (listeners[event] ?? []).filter((l) => l !== listener)),
  };
  window.testEmit = (event, value) => (listeners[event] ?? []).forEach((listener) => listener(value));
  window.ethereum = provider;
  const announce = () =>
    dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: { info: { name: "Test wallet", uuid: "test" }, provider } }));
  addEventListener("eip6963:requestProvider", announce);
}

/** Keys of one person, and what that person does when the wallet asks. */
export class Wallet {
  signatures = 0;
  transactions = 0;
  /** What the next signature or transaction is answered with, instead of being made. */
  refuseNext = false;
  /** Called before each signature. */
  chainId;

  constructor(world, addressIndex) {
    this.world = world;
    this.account = mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex });
    this.chainId = 31337;
  }

  async answer({ method, params = [] }) {
    const asks = ["personal_sign", "eth_signTypedData_v4", "eth_sendTransaction"].includes(method);
    if (asks && this.refuseNext) {
      this.refuseNext = false;
      throw Object.assign(new Error("User rejected the request."), { code: 4001 });
    }
    switch (method) {
      case "eth_requestAccounts":
      case "eth_accounts":
        return [this.account.address];
      case "eth_chainId":
        return `0x${this.chainId.toString(16)}`;
      case "wallet_switchEthereumChain":
        this.chainId = Number(params[0].chainId);
        return null;
      case "personal_sign":
        this.signatures++;
        return this.account.signMessage({ message: { raw: params[0] } });
      case "eth_signTypedData_v4": {
        this.signatures++;
        const { types, ...rest } = JSON.parse(params[1]);
        delete types.EIP712Domain;
        return this.account.signTypedData({ types, ...rest });
      }
      case "eth_sendTransaction":
        this.transactions++;
        return this.world.chain(method, params); // the node of a local chain holds the same keys
      default:
        return this.world.chain(method, params);
    }
  }
}

/** Pages of this folder are shown instead of those in the program: for working on them without compiling it again. */
const PAGES = process.env.CONSOLE_PAGES;

async function fromFolder(route) {
  const { pathname } = new URL(route.request().url());
  const path = join(PAGES, pathname === "/" ? "index.html" : pathname);
  if (route.request().method() !== "GET" || !existsSync(path)) return route.fallback();
  // with the policy that the program gives its own page
  const headers = pathname === "/" ? (await route.fetch()).headers() : {};
  for (const name of ["content-encoding", "content-length", "etag"]) delete headers[name];
  const kinds = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
  return route.fulfill({ headers: { ...headers, "content-type": kinds[extname(path)] ?? "text/plain" }, body: readFileSync(path) });
}

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
// what a test answers comes from nowhere, and may ask no machine's own address
if (PAGES) FLAGS.push("--disable-features=LocalNetworkAccessChecks");

export class Browser {
  /** What no page may do: errors, and requests to elsewhere. */
  complaints = [];

  static async launch(origins) {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    if (!existsSync(executablePath)) throw new Error(`there is no ${executablePath}: scripts/chromium-for-tests.sh installs it`);
    const made = new Browser();
    made.origins = origins;
    made.chromium = await chromium.launch({ executablePath, args: FLAGS });
    mkdirSync(SHOTS, { recursive: true });
    return made;
  }

  /** A person's window: their wallet, their storage. */
  async person(wallet, options = {}) {
    const context = await this.chromium.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(30_000);
    if (PAGES) await context.route((url) => url.origin === this.origins[0], fromFolder);
    const page = await context.newPage();
    if (wallet) {
      await page.exposeFunction("testWallet", async (request) => {
        try {
          return { result: await wallet.answer(request) };
        } catch (error) {
          return { error: { code: error.code ?? -32603, message: error.message, data: error.data } };
        }
      });
      await page.addInitScript(inject);
    }
    this.watch(page);
    return page;
  }

  watch(page) {
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`page: ${error.stack ?? error.message}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (["data:", "blob:", "file:"].includes(url.protocol)) return;
      if (!this.origins.includes(url.origin)) this.complaints.push(`request to ${url.origin}`);
    });
  }

  /** Complaints since the last call, without those that a test provoked. */
  taken(...expected) {
    const all = this.complaints.splice(0);
    return all.filter((line) => !expected.some((pattern) => pattern.test(line)));
  }

  async close() {
    await this.chromium.close();
  }
}

/** What axe finds wrong with a page, as lines. */
export async function axe(page) {
  // the page's policy allows no foreign script: this runs in the browser's own world
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await evaluate(`${AXE};0`);
  const found = await evaluate(`axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")))`);
  await session.detach();
  return found;
}

/** Pictures of a page in light and dark, on a desktop and on a phone, and what axe says about each. */
export async function shoot(page, name) {
  const problems = [];
  for (const [device, size] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]]) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: join(SHOTS, `${name}-${device}-${colorScheme}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) problems.push(`${name} on a ${device}: ${wide} pixels wider than the screen`);
      if (device === "desktop" || colorScheme === "light") problems.push(...(await axe(page)).map((line) => `${name} (${device}, ${colorScheme}): ${line}`));
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  return problems;
}
