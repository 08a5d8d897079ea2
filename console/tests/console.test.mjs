// The console in a real browser, against a real service and a real chain: the whole life cycle by clicking, what goes
// wrong, who is kept out, and how every page looks.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { keys, ROOT, World } from "../scripts/world.mjs";
import { Browser, shoot, Wallet } from "./browser.mjs";

const PROGRAM = process.env.TRIBUTE ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/tribute");
const PERSON = { operator: 0, owner: 1, client: 2, provider: 3, second: 4 };
/** Milliseconds that a proof may take on a busy machine. */
const PROOF = 120_000;

let world, browser, folder;
const looks = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tribute-console."));
  world = new World(folder, PROGRAM);
  await world.serve();
  await world.seed();
  browser = await Browser.launch([world.url, world.rpc]);
});

after(async () => {
  await browser?.close();
  world?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const wallet = (name) => new Wallet(world, PERSON[name]);

/** A window of somebody who has connected and signed in. */
async function enter(who, path, options) {
  const page = await browser.person(who, options);
  await page.goto(`${world.url}/#/${path}`);
  await page.getByRole("banner").getByRole("button", { name: "Connect wallet" }).click();
  const choice = page.getByRole("button", { name: "Test wallet" });
  await choice.or(page.locator(".chip")).first().waitFor();
  if (await choice.isVisible()) await choice.click();
  await page.locator(".chip").waitFor();
  return page;
}

async function signIn(page) {
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("signed in").waitFor();
}

/** Presses a button that explains itself first, and goes on. */
async function confirm(page, name, { timeout = 30_000 } = {}) {
  await page.getByRole("button", { name, exact: typeof name === "string" }).first().click();
  const group = page.getByRole("group", { name });
  await group.getByRole("button", { name: "Go on" }).click();
  await group.waitFor({ state: "detached", timeout }).catch(async (error) => {
    const said = await page.getByRole("alert").allInnerTexts();
    throw new Error(`${name}: ${said.join(" / ") || error.message}`);
  });
}

const go = (page, path) => page.evaluate((hash) => (location.hash = hash), `#/${path}`);

test("the whole life cycle, by clicking alone", async (t) => {
  const [provider, second, owner, client] = ["provider", "second", "owner", "client"].map(wallet);
  const windows = {};
  let dataset, certificate, requests;
  let broken = false;
  const step = (name, work) =>
    t.test(name, { skip: broken && "an earlier step failed" }, async () => {
      broken = true;
      await work();
      broken = false;
    });

  await step("a provider registers a dataset", async () => {
    const page = (windows.provider = await enter(provider, "provider"));
    looks.push(...(await shoot(page, "provider-signed-out")));
    await signIn(page);
    await page.getByRole("link", { name: "Register a dataset" }).click();
    await page.getByText(`The machine ${new URL(world.url).host} will see every record`).waitFor();
    await page.getByLabel("A table: CSV").setInputFiles(world.file("clinic.csv"));
    await confirm(page, /^Send clinic.csv/);
    await page.getByLabel("Schema file").setInputFiles(world.file("schema.json"));
    await page.getByText("What is in the table").waitFor();
    await page.getByText("70 records").first().waitFor();
    looks.push(...(await shoot(page, "register")));
    await confirm(page, "Commit to these records");
    await page.getByRole("link", { name: "Open the dataset" }).click({ timeout: PROOF });
    await confirm(page, "Register on chain");
    await page.getByText("Registered on chain 31337").waitFor();
    await go(page, "provider");
    await page.getByText("Datasets that this server committed for you").waitFor();
    looks.push(...(await shoot(page, "provider")));
    await page.getByRole("link", { name: "wine" }).click();
    await page.getByText("Registered on chain 31337").waitFor();
    dataset = page.url().split("/").at(-1);
  });

  await step("an owner requests training", async () => {
    const page = (windows.owner = await enter(owner, "owner/train"));
    await signIn(page);
    await page.getByRole("checkbox", { name: /^Use dataset/ }).first().check();
    await page.getByRole("checkbox", { name: /^Use dataset/ }).nth(1).check();
    assert.equal(await page.getByRole("button", { name: "Train", exact: true }).isDisabled(), true);
    requests = await page.locator("[data-request]").allInnerTexts();
    assert.equal(requests.length, 2);
    looks.push(...(await shoot(page, "train")));
  });

  await step("the providers approve on their terms", async () => {
    windows.second = await enter(second, "provider");
    for (const url of requests) {
      const mine = url.includes(dataset);
      const page = mine ? windows.provider : windows.second;
      await go(page, new URL(url).hash.slice(2));
      await page.getByText(`The account`).first().waitFor();
      if (mine) {
        looks.push(...(await shoot(page, "request")));
        // declined first: nothing happens
        const asked = provider.transactions;
        await page.getByRole("button", { name: "Decline" }).click();
        await page.getByText("You declined").waitFor();
        assert.equal(provider.transactions, asked);
        await go(page, "provider");
        await go(page, new URL(url).hash.slice(2));
      }
      await confirm(page, "Approve");
      await page.getByText("Granted.").waitFor();
    }
  });

  await step("the owner trains", async () => {
    const page = windows.owner;
    await page.getByLabel("Name, for you").fill("wine");
    await page.waitForFunction(() => document.querySelectorAll("[data-request]").length === 0);
    await confirm(page, "Train");
    await page.getByRole("link", { name: "Open the agent" }).click({ timeout: PROOF });
    await page.getByText("The way to a certificate").waitFor();
  });

  await step("and certifies, step by step", async () => {
    const page = windows.owner;
    await confirm(page, "Create the agent");
    await confirm(page, "Propose the version");
    await confirm(page, "List the datasets");
    looks.push(...(await shoot(page, "checklist")));
    await confirm(page, "Close the list");
    // every step says beforehand what it takes
    const gradients = page.getByRole("listitem").filter({ hasText: "Prove the gradients" }).locator(".takes");
    await gradients.getByText("1 of each shard").waitFor();
    await page.getByRole("listitem").filter({ hasText: "Certify" }).last().locator(".takes").getByText(/^usually some [\d,]{7}$/).waitFor();
    await confirm(page, "Prove the gradients");
    await page.getByRole("button", { name: "Prove the optimum" }).waitFor({ timeout: PROOF });
    await confirm(page, "Prove the optimum");
    await page.getByRole("button", { name: "Submit the gradients" }).waitFor({ timeout: PROOF });
    await confirm(page, "Submit the gradients");
    await page.getByRole("button", { name: "Certify" }).waitFor({ timeout: PROOF });
    await page.getByRole("listitem").filter({ hasText: "Certify" }).last().locator(".takes").getByText(/^about [\d,]{7}$/).waitFor();
    await confirm(page, "Certify");
    await page.getByRole("heading", { name: "Certified" }).waitFor();
    await page.getByLabel("What the agent answers").fill("which of three cultivars a wine is from");
    await confirm(page, "Publish");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download the certificate" }).click();
    certificate = join(folder, "certificate.json");
    await (await download).saveAs(certificate);
  });

  await step("the owner proves an accuracy on records that it was not trained on", async () => {
    const page = windows.owner;
    await world.tribute("owner", "dataset", "register", "questions.csv", "--schema", "schema.json", "--out", "other.json");
    await world.tribute("owner", "chain", "register-dataset", "other.json");
    const other = world.json("other.json").dataset_id;
    await go(page, "owner");
    await page.getByRole("link", { name: "wine" }).click();
    await page.getByText("No accuracy was proven on chain yet.").waitFor();
    await page.getByLabel("Dataset of yours that it was not trained on").selectOption(other);
    await confirm(page, "Prove the accuracy");
    await page.getByRole("button", { name: "Publish this accuracy" }).waitFor({ timeout: PROOF });
    await confirm(page, "Publish this accuracy");
    const chart = page.getByRole("figure", { name: "Right on records that it was not trained on, proven" });
    await chart.waitFor();
    assert.match(await chart.innerText(), /\d\d\.\d\d %: \d\d of 40/);
    looks.push(...(await shoot(page, "agent")));
    // the jobs of all this, with their times
    await go(page, "owner");
    await page.getByRole("figure", { name: "How long your last jobs took" }).getByText("Prove that the weights are the optimum").first().waitFor();
    looks.push(...(await shoot(page, "owner-jobs")));
    await page.getByRole("link", { name: "wine" }).click();
  });

  await step("a client opens a session and asks", async () => {
    const page = (windows.client = await enter(client, "client"));
    await page.getByLabel("What do you want to ask about?").fill("cultivars");
    await page.getByText("1 agent with a certificate").waitFor();
    looks.push(...(await shoot(page, "find")));
    await page.getByRole("link", { name: "Look closer" }).click();
    await page.getByText("Who sees what you ask").waitFor();
    await page.getByRole("figure", { name: "Right on records that it was not trained on, proven" }).waitFor();
    looks.push(...(await shoot(page, "offer")));
    await confirm(page, "Allow");
    await confirm(page, "Open the session");
    await page.getByRole("heading", { name: "Ask", exact: true }).waitFor();
    const asked = client.signatures;
    const [, ...rows] = readFileSync(world.file("questions.csv"), "utf8").trim().split("\n");
    const inputs = page.locator(".features input");
    for (const [i, value] of rows[0].split(",").slice(0, -1).entries()) await inputs.nth(i).fill(value);
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.locator(".answer").waitFor();
    await page.getByRole("button", { name: "As text or CSV" }).click();
    await page.getByLabel("A CSV file of queries").setInputFiles(world.file("questions.csv"));
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByText("41", { exact: true }).first().waitFor({ timeout: PROOF });
    assert.equal(client.signatures, asked, "the session key signs, the wallet is not asked");
    looks.push(...(await shoot(page, "session")));
  });

  await step("the owner claims and withdraws", async () => {
    const page = windows.owner;
    await confirm(page, /^Prove 41 answers/);
    await page.getByRole("button", { name: "Claim 41 answers" }).waitFor({ timeout: PROOF });
    await confirm(page, "Claim 41 answers");
    await confirm(page, /^Withdraw 0.000246/);
    await page.getByText(/^Earned for you over time:/).waitFor();
    looks.push(...(await shoot(page, "sales")));
  });

  await step("the provider sees the earnings live and withdraws", async () => {
    const page = windows.provider;
    const before = BigInt(await balance(keys.provider.address));
    await go(page, `provider/dataset/${dataset}`);
    const earned = await page.getByText(/^Earned over time:/).innerText();
    // the sum that the page divides itself is the one that the contract owes
    await page.getByRole("button", { name: `Withdraw ${earned.split(": ")[1]}` }).waitFor();
    looks.push(...(await shoot(page, "dataset")));
    await confirm(page, /^Withdraw/);
    await page.getByText("0 TTT").first().waitFor();
    assert.ok(BigInt(await balance(keys.provider.address)) > before);
  });

  await step("the client gets the rest back", async () => {
    const page = windows.client;
    await confirm(page, /^Ask for what is left/);
    await page.getByText("The thaw ends in").waitFor();
    await world.chain("evm_increaseTime", [61]);
    await world.chain("evm_mine");
    await page.getByText("The thaw has ended").waitFor();
    await confirm(page, "Take it back");
    await page.getByText("Nothing is left in escrow").waitFor();
  });

  await step("an auditor checks the certificate, by the server and by the chain", async () => {
    const page = await browser.person();
    const calls = [];
    page.on("request", (r) => r.method() === "POST" && calls.push(new URL(r.url()).origin + (r.postData()?.includes("eth_call") ? " eth_call" : "")));
    await page.goto(`${world.url}/#/auditor`);
    await page.getByLabel("A certificate, evaluation or valuation file").setInputFiles(certificate);
    await page.locator("[data-by=chain]").getByText("It holds.").waitFor({ timeout: PROOF });
    await page.locator("[data-by=server]").getByText("It holds.").waitFor({ timeout: PROOF });
    assert.ok(calls.filter((c) => c.endsWith("eth_call")).length > 10);
    assert.ok(calls.every((c) => !c.endsWith("eth_call") || c.startsWith(world.rpc)), "the chain is asked directly");
    const shares = (await page.locator(".chart .label span:last-child").allInnerTexts()).map(parseFloat);
    assert.ok(Math.abs(shares[0] + shares[1] - 100) < 0.02, `shares ${shares}`);
    looks.push(...(await shoot(page, "auditor")));

    // one contribution altered: both find it
    const altered = JSON.parse(readFileSync(certificate, "utf8"));
    altered.datasets[0].contribution = String(BigInt(altered.datasets[0].contribution) + 1n);
    writeFileSync(join(folder, "altered.json"), JSON.stringify(altered));
    await page.getByLabel("A certificate, evaluation or valuation file").setInputFiles(join(folder, "altered.json"));
    await page.locator("[data-by=chain]").getByText("It does not hold.").waitFor({ timeout: PROOF });
    await page.locator("[data-by=server]").getByText("It does not hold.").waitFor({ timeout: PROOF });
    // another proof in its place: the chain's verifier rejects it
    const swapped = JSON.parse(readFileSync(certificate, "utf8"));
    const bytes = swapped.optimum.proof.bytes;
    swapped.optimum.proof.bytes = bytes.slice(0, -1) + (bytes.endsWith("0") ? "1" : "0");
    writeFileSync(join(folder, "swapped.json"), JSON.stringify(swapped));
    await page.getByLabel("A certificate, evaluation or valuation file").setInputFiles(join(folder, "swapped.json"));
    await page.getByText("The chain's verifier accepts the proof of the optimum: The chain's verifier rejects this proof").waitFor({ timeout: PROOF });
    await page.context().close();
  });

  await step("an owner asks for training across nodes, and a provider declines with a reason", async () => {
    const { owner: page, provider, second } = windows;
    await ask(page, "grades of wine for a merchant");
    await go(provider, "provider");
    await provider.getByRole("link", { name: "grades of wine for a merchant" }).click();
    await provider.getByText("What you spend").waitFor();
    await provider.getByText("Only two take part.").waitFor();
    assert.match(await provider.getByText(/^1 of [\d,]+ left$/).innerText(), /left/);
    looks.push(...(await shoot(provider, "training-request")));
    // it wants three accounts, until it says otherwise
    await provider.getByText("2 accounts take part, which is fewer than you want.").waitFor();
    assert.equal(await provider.getByRole("button", { name: "Grant training" }).isDisabled(), true);
    await go(second, "provider");
    await signIn(second);
    await second.getByRole("link", { name: "grades of wine for a merchant" }).click();
    await second.getByLabel("Why you decline").fill("two are too few");
    await confirm(second, "Decline");
    await second.getByText("You declined.").waitFor();
    await page.getByText("declined: two are too few").waitFor();
    await page.getByText("Write another request").waitFor();
  });

  await step("both approve another on their terms, and the rounds are followed to the agent", async () => {
    const { owner: page, provider, second } = windows;
    await ask(page, "grades of wine for a cellar", "1");
    for (const one of [provider, second]) {
      await go(one, "provider");
      await one.getByRole("link", { name: "grades of wine for a cellar" }).click();
      await one.getByLabel("Fewest accounts that take part").fill("2");
      await one.getByLabel("Your least price of an answer").fill("1");
      await one.getByText("An answer costs less than you want.").waitFor();
      await one.getByLabel("Your least price of an answer").fill("0.000001");
      if (await one.getByRole("button", { name: "Grant training" }).isVisible()) await confirm(one, "Grant training");
      await confirm(one, "Approve");
      await one.getByText("You approved: this node takes part by itself.").waitFor();
    }
    await page.getByText("All participants at this node have approved.").waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save request.json" }).click();
    await (await download).saveAs(world.file("request.json"));
    await world.tribute("owner", "request", "train", "request.json", "--name", "cellar", "--out", "across.json");
    const [, answered] = (await provider.getByText(/rounds answered\.$/).innerText()).match(/^(\d+) of at most 40/);
    assert.ok(Number(answered) >= 2, answered);
    await page.getByText(`${answered} of at most 40`).nth(1).waitFor();
    looks.push(...(await shoot(page, "across")));
    looks.push(...(await shoot(provider, "training-approved")));
    await go(page, "owner");
    await page.getByRole("link", { name: "cellar" }).waitFor();
  });

  await step("an agent trained across nodes is certified like any other", async () => {
    const page = windows.owner;
    await page.getByRole("link", { name: "cellar" }).click();
    await page.getByText("The way to a certificate").waitFor();
    await confirm(page, "Create the agent");
    await confirm(page, "Propose the version");
    await confirm(page, "List the datasets");
    await confirm(page, "Close the list");
    // the participants' nodes have proven the gradients
    await page.getByRole("button", { name: "Prove the optimum" }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Prove the gradients" }).count(), 0);
    await confirm(page, "Prove the optimum");
    await page.getByRole("button", { name: "Submit the gradients" }).waitFor({ timeout: PROOF });
    await confirm(page, "Submit the gradients");
    await page.getByRole("button", { name: "Certify" }).waitFor({ timeout: PROOF });
    await confirm(page, "Certify");
    await page.getByRole("heading", { name: "Certified" }).waitFor();
  });

  await step("an auditor sees what each owner's data is worth, and the browser computes it again", async () => {
    const { agent, datasets } = JSON.parse(readFileSync(certificate, "utf8"));
    const is = (name, account) => keys[name].address.toLowerCase() === account.toLowerCase();
    // one use for each owner's coalition
    for (const { dataset_id, shards } of datasets) {
      const holder = ["provider", "second"].find((name) => is(name, shards[0].owner));
      await world.tribute(holder, "chain", "grant", dataset_id, "--to", keys.owner.address, "--uses", "1");
    }
    await world.tribute("owner", "agent", "value", agent.weights_digest, "--test", world.json("other.json").dataset_id, "--out", "valuation.json");
    const page = await browser.person();
    await page.goto(`${world.url}/#/auditor`);
    const drop = page.getByLabel("A certificate, evaluation or valuation file");
    await drop.setInputFiles(world.file("valuation.json"));
    await page.locator("[data-by=chain]").getByText("It holds.").waitFor({ timeout: PROOF });
    await page.locator("[data-by=server]").getByText("It holds.").waitFor({ timeout: PROOF });
    await page.getByText("The values follow exactly from the losses of all coalitions").waitFor();
    await page.getByText("The version pays by shares: its owners have not agreed on weights").waitFor();
    const chart = page.getByRole("figure", { name: "Values, as parts of what is positive" });
    const parts = (await chart.locator(".label span:last-child").allInnerTexts()).map(parseFloat);
    assert.ok(parts.length === 2 && Math.abs(parts[0] + parts[1] - 100) < 0.02, `parts ${parts}`);
    looks.push(...(await shoot(page, "valuation")));

    // one loss altered: both find it
    const altered = world.json("valuation.json");
    altered.coalitions[0].loss += 1;
    writeFileSync(join(folder, "altered.json"), JSON.stringify(altered));
    await drop.setInputFiles(join(folder, "altered.json"));
    await page.locator("[data-by=chain]").getByText("It does not hold.").waitFor({ timeout: PROOF });
    await page.locator("[data-by=server]").getByText("It does not hold.").waitFor({ timeout: PROOF });
    await page.getByText("other values follow").waitFor();
    await page.context().close();
  });
  for (const page of Object.values(windows)) await page.context().close();
  assert.deepEqual(browser.taken(), []);
});

/** Writes a request over both datasets, and leaves it at the node, which is the owner's own here. */
async function ask(page, purpose, attempt = "0") {
  await go(page, "owner/across");
  const boxes = page.getByRole("checkbox", { name: /^Use dataset/ });
  await boxes.first().waitFor();
  const [provided, seconds] = [keys.provider.address, keys.second.address].map((a) => `${a.slice(0, 8)}`);
  for (const account of [provided, seconds]) {
    await page.getByRole("row").filter({ has: page.getByTitle(new RegExp(account, "i")) }).getByRole("checkbox").first().check();
  }
  for (const field of await page.getByLabel(/^Node that holds/).all()) await field.fill(world.url);
  await page.getByLabel("Schema file").setInputFiles(world.file("schema.json"));
  await page.getByLabel("What the agent is for").fill(purpose);
  await page.getByLabel("Agent on chain").selectOption({ index: 1 });
  await page.getByLabel("Version of it").fill("2");
  await page.getByLabel("Requests for this version before").fill(attempt);
  if (attempt === "0") looks.push(...(await shoot(page, "across-form")));
  await page.getByRole("button", { name: "Write the request" }).click();
  await confirm(page, "Leave the request at this node");
  await page.getByText("not answered yet").first().waitFor();
}

async function balance(account) {
  const escrow = world.json("deployment.json");
  const data = `0x70a08231${account.slice(2).toLowerCase().padStart(64, "0")}`;
  return world.chain("eth_call", [{ to: escrow.token.address, data }, "latest"]);
}

test("what goes wrong is said in a sentence", async (t) => {
  const somebody = wallet("provider");
  const page = await enter(somebody, "provider");

  await t.test("a declined signature", async () => {
    somebody.refuseNext = true;
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("You declined in your wallet. Nothing was signed or sent.").waitFor();
    await signIn(page);
  });

  await t.test("a wallet on another chain", async () => {
    somebody.chainId = 1;
    await page.evaluate(() => window.testEmit("chainChanged", "0x1"));
    await page.getByText("Your wallet is on chain 1, this server's contracts are on chain 31337.").waitFor();
    looks.push(...(await shoot(page, "wrong-network")));
    await page.getByRole("button", { name: "Switch the wallet to chain 31337" }).click();
    await page.getByText("Your wallet is on chain 1").waitFor({ state: "detached" });
  });

  await t.test("a table that does not fit", async () => {
    await go(page, "provider/register");
    writeFileSync(join(folder, "bad.csv"), "a,b\n1,x\n2,y,z\n");
    await page.getByLabel("A table: CSV").setInputFiles(join(folder, "bad.csv"));
    await confirm(page, /^Send bad.csv/);
    await page.getByLabel("Schema file").setInputFiles(world.file("schema.json"));
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /bad\.csv/);
  });

  await t.test("a token after its time", async () => {
    // the page believes its token to be good; the server has forgotten it
    await page.route("**/tribute.v1.DatasetService/ListDatasets", async (route) => {
      const headers = { ...route.request().headers(), authorization: `Bearer ${"0".repeat(64)}` };
      await route.continue({ headers });
    });
    await go(page, "provider");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.unroute("**/tribute.v1.DatasetService/ListDatasets");
    await signIn(page);
    await page.getByText("Datasets that this server committed for you").waitFor();
  });

  await t.test("a job that fails", async () => {
    // λ so small that no optimum over these records can be certified
    const owner = await enter(wallet("provider"), "owner/train");
    await signIn(owner);
    await owner.getByRole("row").filter({ hasText: "you" }).getByRole("checkbox").check();
    await owner.getByLabel("Regularisation λ").fill("0.0000000000001");
    await owner.getByRole("button", { name: "Train", exact: true }).click();
    await owner.getByRole("button", { name: "Go on" }).click();
    await owner.getByRole("alert").waitFor({ timeout: PROOF });
    assert.match(await owner.getByRole("alert").first().innerText(), /lambda|λ|optimum/i);
    looks.push(...(await shoot(owner, "failed")));
    await owner.context().close();
  });

  await t.test("a lost connection", async () => {
    await world.stopService();
    await go(page, "owner");
    await page.getByText("This server does not answer").first().waitFor();
    await world.startService();
    await go(page, "provider");
    await page.getByText("Datasets that this server committed for you").waitFor();
  });
  await page.context().close();
  // what the browser itself says about refused and lost requests
  assert.deepEqual(browser.taken(/Failed to load resource/, /net::ERR/), []);
});

test("an operator sees the whole server, and nobody else does", async (t) => {
  const page = await enter(wallet("operator"), "operator");
  await signIn(page);
  const workers = page.getByRole("region", { name: "Workers that were heard of within the hour" });
  await workers.getByRole("row").filter({ hasText: "idle" }).waitFor();
  await page.getByText(/^Database answers in/).waitFor();
  await page.getByText("Free on the disk").waitFor();

  await t.test("live: a queue, and a worker that dies", async () => {
    const other = world.startWorker();
    await page.waitForFunction(() => document.querySelectorAll("[aria-label^='Workers that were'] tbody tr").length === 2);
    const work = world.tribute("client", "job", "calibrate", "--k", "17", "--rounds", "12");
    await workers.getByRole("row").filter({ hasText: "working" }).first().waitFor();
    const accounts = page.getByRole("region", { name: "Accounts with jobs, the longest wait first" });
    await accounts.getByTitle(new RegExp(keys.client.address, "i")).waitFor();
    looks.push(...(await shoot(page, "operator")));
    await work;
    await page.getByText("No job waits or runs.").waitFor();
    await page.getByRole("region", { name: "Jobs that ended within the hour" }).getByText("Measure this machine's speed").waitFor();
    other.kill("SIGKILL");
    await workers.getByRole("row").filter({ hasText: "silent" }).waitFor();
    await page.getByText("1 worker stopped without a word.").waitFor();
  });

  await t.test("another account is told who may", async () => {
    const stranger = await enter(wallet("client"), "operator");
    await signIn(stranger);
    await stranger.getByText("are shown to its operators alone").waitFor();
    assert.equal(await stranger.getByText("Openings left").count(), 0);
    await stranger.context().close();
  });
  await page.context().close();
  assert.deepEqual(browser.taken(), []);
});

test("strangers are kept out", async (t) => {
  await t.test("names and labels are text, whatever is in them", async () => {
    const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    const page = await enter(wallet("second"), "provider/register");
    await signIn(page);
    writeFileSync(join(folder, "hostile.csv"), `"${hostile.replaceAll('"', '""')}",y,label\n${Array.from({ length: 40 }, (_, i) => `${i % 7},${(i * 3) % 11},${i % 2 ? "<b>a</b>" : "b"}`).join("\n")}\n`);
    await page.getByLabel("A table: CSV").setInputFiles(join(folder, "hostile.csv"));
    await confirm(page, /^Send hostile.csv/);
    await page.getByLabel("Name of the schema").fill(hostile);
    await page.getByRole("button", { name: "Read the schema" }).click();
    await confirm(page, "Commit to these records");
    await page.getByRole("link", { name: "Open the dataset" }).click({ timeout: PROOF });
    await page.getByRole("heading", { name: hostile }).waitFor();
    await page.getByText("The report of what was committed").click();
    await page.getByText("<b>a</b>").waitFor();
    assert.equal(await page.locator("main img, main script, main b").count(), 0);
    assert.equal(await page.title(), "Tribute");
    looks.push(...(await shoot(page, "hostile")));
    await page.context().close();
    assert.deepEqual(browser.taken(), []);
  });

  await t.test("another site can neither frame the console nor call the server", async () => {
    const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(`<iframe src="${world.url}/"></iframe>`)).listen(0, "127.0.0.1");
    await new Promise((done) => server.once("listening", done));
    // another site: localhost instead of 127.0.0.1
    const evil = `http://localhost:${server.address().port}`;
    const page = await browser.person();
    await page.goto(evil);
    await page.waitForTimeout(300);
    const framed = page.frames().find((frame) => frame !== page.mainFrame());
    assert.equal(await framed.evaluate(() => document.querySelector("#root")).catch(() => null), null);
    const answers = await page.evaluate(async (target) => {
      const path = `${target}/tribute.v1.ServerService/GetServerInfo`;
      const body = new Uint8Array(5);
      const attempt = (init) => fetch(path, { method: "POST", body, ...init }).then((r) => `${r.type} ${r.status}`, () => "refused");
      return [
        await attempt({ headers: { "content-type": "application/grpc-web+proto" } }),
        await attempt({ headers: { "content-type": "text/plain" } }),
        await attempt({ mode: "no-cors" }),
      ];
    }, world.url);
    assert.deepEqual(answers.slice(0, 2), ["refused", "refused"]);
    assert.equal(answers[2], "opaque 0", "nothing of the answer can be read");
    await page.context().close();
    server.close();
    browser.taken();
  });

  await t.test("a link cannot choose the node", async () => {
    const page = await browser.person();
    await page.goto(`${world.url}/?rpc=${encodeURIComponent("http://127.0.0.1:9")}#/auditor`);
    await page.getByText("wants this page to read the chain from another node").waitFor();
    await page.getByText(`It reads the chain from ${world.rpc}`).waitFor();
    // chosen by hand, it is used, and the policy lets the page connect to it
    await page.getByText("The chain is read from").click();
    await page.getByLabel("JSON-RPC address").fill(`${world.rpc}/`);
    await page.getByRole("button", { name: "Use it" }).last().click();
    await page.getByText(`It reads the chain from ${world.rpc}/.`).waitFor();
    await page.context().close();
    assert.deepEqual(browser.taken(), []);
  });
});

test("a certificate's page, opened from a file, shows everything on a phone as on a desktop and asks for nothing", async () => {
  const corpus = (name) => join(ROOT, "fuzz/corpus", name);
  const counted = ["--records", join(ROOT, "examples/wine.csv"), "--rows", "80..110", "--model", corpus("agent.onnx")];
  for (const [kind, chart, options] of [
    ["evaluation", /^Accuracy by dataset/, counted],
    ["valuation", /^Each owner's part of the values/, []],
  ]) {
    const file = join(folder, `${kind}.html`);
    await world.tribute("owner", "certificate", "report", corpus(`${kind}.json`), "--allow-dev-srs", ...options, "--out", file);
    const page = await browser.person();
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByRole("img", { name: /^Shares of the datasets/ }).waitFor();
    await page.getByRole("img", { name: chart }).waitFor();
    await page.locator("summary").click();
    await page.getByRole("columnheader", { name: "From" }).waitFor();
    assert.equal(await page.getByRole("table", { name: /^Records by their class/ }).count(), options.length && 1);
    looks.push(...(await shoot(page, `certificate-${kind}`)));
    assert.deepEqual(requests, [page.url()]);
    await page.context().close();
  }
  assert.deepEqual(browser.taken(), []);
});

test("pages are quick, and fit for everybody", async () => {
  const page = await browser.person();
  for (const path of ["", "owner", "client", "operator"]) {
    await page.goto(`${world.url}/#/${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    looks.push(...(await shoot(page, path || "home")));
  }
  const [paints, pages] = [[], []];
  for (let i = 0; i < 3; i++) {
    const fresh = await browser.person();
    await fresh.goto(world.url);
    await fresh.getByRole("heading", { level: 1 }).waitFor();
    pages.push(await fresh.evaluate(() => performance.now()));
    paints.push(await fresh.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity));
    await fresh.context().close();
  }
  const best = Math.min(...paints);
  const said = (times) => times.map((ms) => `${ms.toFixed(0)} ms`).join(", ");
  console.log(`first contentful paint: ${said(paints)}; the page: ${said(pages)}`);
  assert.ok(best < 1000, `first paint after ${best} ms`);
  await page.context().close();
  assert.deepEqual(looks, [], "axe and layout");
  assert.deepEqual(browser.taken(), []);
});
