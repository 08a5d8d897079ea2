// Identifiers are raw bytes in messages and hex in contracts, addresses and pages.
import { bytesToHex, hexToBytes, type Hex } from "viem";

export const hex = (bytes: Uint8Array): Hex => bytesToHex(bytes);
export const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(hexToBytes(text as Hex));
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(text));
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
export const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export async function sha256(data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(data)));
}

/** Offers bytes to the user as a file. */
export function save(name: string, data: Uint8Array): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([Uint8Array.from(data)], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const isDigest = (value: string): value is Hex => /^0x[0-9a-fA-F]{64}$/.test(value);
