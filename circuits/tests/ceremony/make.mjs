// Runs a powers-of-tau ceremony with one contribution and a beacon, for tests: node make.mjs CURVE POWER OUT
import { randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { curves, powersOfTau } from "snarkjs";

const [curveName, power, out] = process.argv.slice(2);
const curve = await curves.getCurveFromName(curveName);
const [start, contributed, done] = ["start", "contributed", "done"].map((step) => `${out}.${step}`);
const secret = () => randomBytes(32).toString("hex");
await powersOfTau.newAccumulator(curve, Number(power), start);
await powersOfTau.contribute(start, contributed, "contribution", secret());
await powersOfTau.beacon(contributed, done, "beacon", secret(), 10);
await Promise.all([rm(start), rm(contributed)]);
await rename(done, out); // atomic
process.exit(0); // otherwise the curve's workers would keep node alive
