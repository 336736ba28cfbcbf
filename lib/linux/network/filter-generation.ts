import { readAttributes } from './netlink-message.ts';
import type { NetlinkSocket } from './netlink-socket.ts';

/** linux/netfilter/nf_tables.h: subsystem 10, NFT_MSG_GETGEN, NFTA_GEN_ID */
const GET_GENERATION = (10 << 8) | 16;
const ID = 1;
/** struct nfgenmsg */
const HEADER = 4;

/**
 * The number of the packet filter's state in the socket's namespace. Each change of any table counts it up, so an unchanged number means
 * an unchanged filter. The socket speaks NETLINK.netfilter.
 */
export function filterGeneration(socket: NetlinkSocket): number {
  const answer = socket.ask(
    'cannot read the state of the packet filter',
    GET_GENERATION,
    Buffer.alloc(HEADER),
  );
  const id = answer === undefined ? undefined : readAttributes(answer.body, HEADER).get(ID);
  if (id === undefined) throw new Error('the kernel did not tell the state of the packet filter');
  return id.readUInt32BE(0);
}
