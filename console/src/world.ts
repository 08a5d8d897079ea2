// What every page knows: the server, the contracts, and who is here.
import { createContext, useContext } from "react";
import type { ServerInfo } from "./gen/tribute/v1/server_service_pb";
import type { Call, Chain, send } from "./lib/chain";
import type { Services } from "./lib/service";
import type { Signer } from "./lib/wallet";

export interface World {
  info: ServerInfo;
  services: Services;
  /** The contracts; without a node or a wallet there is nothing to read them with. */
  chain: Chain | undefined;
  signer: Signer | undefined;
  signedIn: boolean;
  /** Sends a transaction from the connected account. */
  send(c: Call): ReturnType<typeof send>;
  connect(): void;
}

export const WorldContext = createContext<World | undefined>(undefined);

export function useWorld(): World {
  const world = useContext(WorldContext);
  if (!world) throw new Error("no world");
  return world;
}
