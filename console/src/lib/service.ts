// Calls to this server over gRPC-Web. docs/authentication.md has the protocol; who may make a call is read from the
// option of its rpc, as the server does.
import { create, fromBinary, getOption, toBinary, type DescService } from "@bufbuild/protobuf";
import { createClient, type Client } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { getAddress, type Hex } from "viem";
import { AgentService } from "../gen/tribute/v1/agent_service_pb";
import { AuditService } from "../gen/tribute/v1/audit_service_pb";
import { CircuitService } from "../gen/tribute/v1/circuit_service_pb";
import { Access, call } from "../gen/tribute/v1/common_pb";
import { DatasetService } from "../gen/tribute/v1/dataset_service_pb";
import { JobService } from "../gen/tribute/v1/job_service_pb";
import { LoginService } from "../gen/tribute/v1/login_service_pb";
import { OperatorService } from "../gen/tribute/v1/operator_service_pb";
import { ServerService, type ServerInfo } from "../gen/tribute/v1/server_service_pb";
import { SessionService } from "../gen/tribute/v1/session_service_pb";
import { TrainingService } from "../gen/tribute/v1/training_service_pb";
import { UploadChunkSchema, UploadResponseSchema, UploadService } from "../gen/tribute/v1/upload_service_pb";
import { bytes, hex, sha256 } from "./bytes";
import { Problem } from "./problem";
import type { Signer } from "./wallet";

const FRAME = 5;
const CHUNK = 256 * 1024;
/** Seconds that a signed call stays good. */
const GOOD = 600;
/** A token that ends within this many seconds is not used. */
const SPARE = 30;

const scheme = location.protocol.replace(":", "");
/** Host and port that were dialled: signatures name it, whatever the server says about itself. */
export const server = `${location.hostname}:${location.port || (scheme === "https" ? 443 : 80)}`.toLowerCase();

const all: DescService[] = [
  AgentService, AuditService, CircuitService, DatasetService, JobService, LoginService, OperatorService, ServerService,
  SessionService, TrainingService, UploadService,
];
const access = new Map<string, Access>(
  all.flatMap((service) => service.methods.map((m) => [`/${service.typeName}/${m.name}`, getOption(m, call).access] as const)),
);

interface Token {
  token: string;
  expires: number;
}

/** Kept in memory alone: whoever reloads the page signs in again. */
const tokens = new Map<string, Token>();
const listeners = new Set<() => void>();

export function onSignIn(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function told(): void {
  for (const listener of listeners) listener();
}

/** Whether the account has a token that has not ended. */
export function signedIn(account: string): boolean {
  const known = tokens.get(account);
  return known !== undefined && known.expires > Date.now() / 1000 + SPARE;
}

function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The EIP-4361 text of a login. */
export function loginText(account: string, chainId: bigint, nonce: string, issued: bigint, instance: Hex): string {
  if (!/^[0-9A-Za-z]{8,128}$/.test(nonce)) throw new Problem("The server's challenge is not a nonce of EIP-4361: do not sign it.");
  const time = (seconds: bigint): string => new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
  return [
    `${server} wants you to sign in with your Ethereum account:`,
    getAddress(account),
    "",
    "Read what is yours on this Tribute server.",
    "",
    `URI: ${scheme}://${server}`,
    "Version: 1",
    `Chain ID: ${chainId}`,
    `Nonce: ${nonce}`,
    `Issued At: ${time(issued)}`,
    `Expiration Time: ${time(issued + 300n)}`,
    `Request ID: ${instance}`,
  ].join("\n");
}

/** The `authorization` of a signed call. */
async function authorization(signer: Signer, instance: Hex, method: string, length: number, digest: Uint8Array): Promise<string> {
  const nonce = hex(random(32));
  const deadline = Math.floor(Date.now() / 1000) + GOOD;
  const signature = await signer.signTypedData({
    domain: { name: "Tribute Service", version: "2", salt: instance },
    types: {
      Call: [
        { name: "server", type: "string" },
        { name: "method", type: "string" },
        { name: "length", type: "uint64" },
        { name: "sha256", type: "bytes32" },
        { name: "nonce", type: "bytes32" },
        { name: "deadline", type: "uint64" },
      ],
    },
    primaryType: "Call",
    message: { server, method, length: BigInt(length), sha256: hex(digest), nonce, deadline: BigInt(deadline) },
  });
  return (
    `Tribute signer=${signer.account.toLowerCase()},server=${server},length=${length},sha256=${hex(digest).slice(2)},` +
    `nonce=${nonce.slice(2)},deadline=${deadline},signature=${signature.slice(2)}`
  );
}

/** Every service, for one account or for nobody. */
export interface Services {
  agents: Client<typeof AgentService>;
  audit: Client<typeof AuditService>;
  circuits: Client<typeof CircuitService>;
  datasets: Client<typeof DatasetService>;
  jobs: Client<typeof JobService>;
  logins: Client<typeof LoginService>;
  operators: Client<typeof OperatorService>;
  servers: Client<typeof ServerService>;
  sessions: Client<typeof SessionService>;
  trainings: Client<typeof TrainingService>;
  /** Logs in: asks the wallet for a signature. */
  signIn(): Promise<void>;
  /** Sends a file and returns its SHA-256. `told` gets the fraction that has been sent, as far as a browser knows. */
  upload(file: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}

export function services(info?: ServerInfo, signer?: Signer): Services {
  const instance = hex(info?.instance ?? new Uint8Array(32));
  const needed = (): Signer => {
    if (!signer) throw new Problem("Connect a wallet first.", "NO_WALLET");
    return signer;
  };

  const authorizing = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input), location.href);
    const headers = new Headers(init?.headers);
    const rule = access.get(url.pathname);
    if (rule === Access.SIGNED) {
      const body = init?.body as Uint8Array;
      const message = body.subarray(FRAME);
      headers.set("authorization", await authorization(needed(), instance, url.pathname, message.length, await sha256(message)));
    } else if (rule === Access.READ) {
      const { account, asks } = needed();
      if (!signedIn(account)) {
        if (asks) throw new Problem("Your sign-in has ended: sign in again to see what is yours.", "BAD_TOKEN");
        await made.signIn();
      }
      headers.set("authorization", `Bearer ${tokens.get(account)?.token ?? ""}`);
    }
    const response = await fetch(url, { ...init, headers, credentials: "omit", cache: "no-store", redirect: "error" });
    // a refusal is in the headers: the token was revoked, or the server lost it
    if (rule === Access.READ && response.headers.get("grpc-status") === "16" && signer) {
      tokens.delete(signer.account);
      told();
    }
    return response;
  };
  const transport = createGrpcWebTransport({ baseUrl: location.origin, useBinaryFormat: true, fetch: authorizing });
  const made: Services = {
    agents: createClient(AgentService, transport),
    audit: createClient(AuditService, transport),
    circuits: createClient(CircuitService, transport),
    datasets: createClient(DatasetService, transport),
    jobs: createClient(JobService, transport),
    logins: createClient(LoginService, transport),
    operators: createClient(OperatorService, transport),
    servers: createClient(ServerService, transport),
    sessions: createClient(SessionService, transport),
    trainings: createClient(TrainingService, transport),
    async signIn() {
      const { account, signMessage } = needed();
      const challenge = await made.logins.getChallenge({});
      const chainId = info?.chainId || 1n;
      const message = loginText(account, chainId, challenge.nonce, challenge.now, instance);
      const { token, expires } = await made.logins.login({ message, signature: bytes(await signMessage(message)) });
      tokens.set(account, { token, expires: Number(expires) });
      told();
    },
    async upload(file) {
      const path = `/${UploadService.typeName}/Upload`;
      const digest = await sha256(file);
      const header = await authorization(needed(), instance, path, file.length, digest);
      // gRPC-Web has no client streams, but its body is the stream's frames one after the other
      const frames: Uint8Array<ArrayBuffer>[] = [];
      for (let start = 0; start < Math.max(file.length, 1); start += CHUNK) {
        const message = toBinary(UploadChunkSchema, create(UploadChunkSchema, { data: file.subarray(start, start + CHUNK) }));
        const head = new Uint8Array(FRAME);
        new DataView(head.buffer).setUint32(1, message.length);
        frames.push(head, Uint8Array.from(message));
      }
      const response = await fetch(path, {
        method: "POST",
        body: new Blob(frames),
        headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", authorization: header },
        credentials: "omit",
        redirect: "error",
      });
      const answer = new Uint8Array(await response.arrayBuffer());
      const { message, trailers } = unframed(answer);
      const status = response.headers.get("grpc-status") ?? trailers.get("grpc-status");
      if (status !== "0" || !message) {
        const said = response.headers.get("grpc-message") ?? trailers.get("grpc-message") ?? "The upload broke off: send it again.";
        throw new Problem(decodeURIComponent(said), "UPLOAD");
      }
      return Uint8Array.from(fromBinary(UploadResponseSchema, message).upload);
    },
  };
  return made;
}

/** The message and trailers of a unary gRPC-Web answer. */
function unframed(answer: Uint8Array): { message?: Uint8Array; trailers: Map<string, string> } {
  const trailers = new Map<string, string>();
  let message: Uint8Array | undefined;
  let at = 0;
  while (at + FRAME <= answer.length) {
    const length = new DataView(answer.buffer, answer.byteOffset + at + 1, 4).getUint32(0);
    const content = answer.subarray(at + FRAME, at + FRAME + length);
    if (answer[at]! & 0x80) {
      for (const line of new TextDecoder().decode(content).split("\r\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) trailers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
      }
    } else message = content;
    at += FRAME + length;
  }
  return { message, trailers };
}
