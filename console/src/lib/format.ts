// Numbers and times for people.
import { formatUnits } from "viem";

export const short = (id: string): string => (id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);
export const count = (n: number | bigint): string => n.toLocaleString("en");
export const percent = (x: number, digits = 2): string => `${(100 * x).toFixed(digits)} %`;
export const bps = (n: number): string => `${n / 100} %`;
export const plural = (n: number | bigint, one: string, many = `${one}s`): string => `${count(n)} ${BigInt(n) === 1n ? one : many}`;
export const small = (x: number): string => (x === 0 ? "0" : x.toExponential(1).replace("e-", " × 10⁻").replace("e+", " × 10^").replace(/⁻(\d+)$/, (_, d: string) => `⁻${[...d].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]).join("")}`));

export function seconds(ms: number): string {
  const s = ms / 1000;
  if (s < 90) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  return s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}

export const when = (ms: number | bigint): string =>
  new Date(Number(ms)).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A token amount in its main unit. */
export const amount = (units: bigint, token: { decimals: number; symbol: string }): string =>
  `${formatUnits(units, token.decimals)} ${token.symbol}`;

export function size(n: number): string {
  if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(1)} GB`;
}
