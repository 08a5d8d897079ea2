// The node in a dataset's entry on chain: a text that its owner writes and that nothing checks before it is read.

/** Most bytes of a node's URL in the registry. */
const MOST_BYTES = 255;

/** What an entry says: the URL of a node, as `tribute chain` takes it, or a text that is none and must not become a link. */
export interface NodeEntry {
  url?: string;
  /** To read, with every character escaped that is not visible ASCII. */
  text: string;
}

/** What a dataset's entry says about its node; undefined if nothing. */
export function nodeEntry(raw: string): NodeEntry | undefined {
  if (!raw) return undefined;
  const text = raw.replace(/[^ -~]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return isNodeUrl(raw) ? { url: raw, text } : { text };
}

function isNodeUrl(text: string): boolean {
  // visible ASCII without a backslash, which browsers take for a slash
  if (text.length > MOST_BYTES || !/^[!-[\]-~]+$/.test(text)) return false;
  const authority = /^https?:\/\/([^/?#]+)/.exec(text)?.[1];
  return authority !== undefined && !authority.includes("@") && URL.canParse(text);
}
