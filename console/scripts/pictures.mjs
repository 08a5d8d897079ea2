// `make pictures`: the screenshots of the README, from a chain, a service and data of their own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser, Wallet } from "../tests/browser.mjs";
import { ROOT, World } from "./world.mjs";

const program = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/tribute");
const folder = mkdtempSync(join(tmpdir(), "tribute-pictures."));
const world = new World(folder, program);
let browser;
try {
  await world.serve({ ports: { service: 7410 } });
  await world.seed();
  await world.certify();
  browser = await Browser.launch([world.url, world.rpc]);
  const options = { viewport: { width: 1100, height: 760 } };

  const client = await browser.person(new Wallet(world, 2), options);
  await client.goto(`${world.url}/#/client`);
  await client.getByRole("link", { name: "Look closer" }).click();
  await client.getByText("Whose data explains it").first().waitFor();
  await client.waitForLoadState("networkidle");
  await client.screenshot({ path: join(ROOT, "docs/console-client.png") });

  const auditor = await browser.person(undefined, options);
  await auditor.goto(`${world.url}/#/auditor`);
  await auditor.getByLabel("A certificate, evaluation or valuation file").setInputFiles(world.file("certificate.json"));
  for (const by of ["chain", "server"]) await auditor.locator(`[data-by=${by}]`).getByText("It holds.").waitFor({ timeout: 60_000 });
  await auditor.locator("h2").first().evaluate((heading) => heading.scrollIntoView());
  await auditor.screenshot({ path: join(ROOT, "docs/console-auditor.png") });
} finally {
  await browser?.close();
  world.stop();
  rmSync(folder, { recursive: true, force: true });
}
