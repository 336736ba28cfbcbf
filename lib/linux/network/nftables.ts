import koffi from 'koffi';
import { readAttributes } from './netlink-message.ts';
import type { NetlinkSocket } from './netlink-socket.ts';

/** The result of a set of commands. */
export interface NftAnswer {
  readonly ok: boolean;
  /** Output of `list`; sets and maps without their elements. */
  readonly output: string;
  readonly error: string;
}

/** NFT_CTX_OUTPUT_TERSE */
const TERSE = 1 << 11;

interface Library {
  readonly make: (flags: number) => unknown;
  readonly free: (context: unknown) => void;
  readonly setOutputFlags: (context: unknown, flags: number) => void;
  readonly bufferOutput: (context: unknown) => number;
  readonly bufferError: (context: unknown) => number;
  readonly output: (context: unknown) => string;
  readonly error: (context: unknown) => string;
  readonly run: (context: unknown, commands: string) => number;
}

let library: Library | undefined;

/**
 * The packet filter of one network namespace, through the library of nft(8): a change takes 0.1 ms, where a process
 * takes 5 to 40. One call of `run` is one transaction: all of it happens or nothing.
 */
export class Nftables {
  readonly #library: Library;
  readonly #context: unknown;

  /**
   * Uses the thread's current namespace. With `elements`, `list` also prints the elements of sets and maps. Throws an
   * Error when the library is not installed.
   */
  constructor({ elements = false }: { readonly elements?: boolean } = {}) {
    library ??= load();
    this.#library = library;
    this.#context = library.make(0);
    if (!elements) library.setOutputFlags(this.#context, TERSE);
    library.bufferOutput(this.#context);
    library.bufferError(this.#context);
  }

  /** Runs commands in the syntax of `nft -f`. */
  run(commands: string): NftAnswer {
    const ok = this.#library.run(this.#context, commands) === 0;
    return {
      ok,
      output: this.#library.output(this.#context),
      error: this.#library.error(this.#context).trim(),
    };
  }

  close(): void {
    this.#library.free(this.#context);
  }
}

/** libnftables(3) */
function load(): Library {
  let c: ReturnType<typeof koffi.load>;
  try {
    c = koffi.load('libnftables.so.1');
  } catch (error) {
    throw new Error('libnftables is not installed: run "apt-get install nftables"', { cause: error });
  }
  return {
    make: c.func('void *nft_ctx_new(uint32_t flags)'),
    free: c.func('void nft_ctx_free(void *context)'),
    setOutputFlags: c.func('void nft_ctx_output_set_flags(void *context, uint32_t flags)'),
    bufferOutput: c.func('int nft_ctx_buffer_output(void *context)'),
    bufferError: c.func('int nft_ctx_buffer_error(void *context)'),
    output: c.func('const char *nft_ctx_get_output_buffer(void *context)'),
    error: c.func('const char *nft_ctx_get_error_buffer(void *context)'),
    run: c.func('int nft_run_cmd_from_buffer(void *context, const char *commands)'),
  };
}

/** linux/netfilter/nf_tables.h: subsystem 10, NFT_MSG_GETGEN, NFTA_GEN_ID */
const GET_GENERATION = (10 << 8) | 16;
const ID = 1;
/** struct nfgenmsg */
const HEADER = 4;

/**
 * Returns the generation number of the packet filter in the socket's namespace. Each change of any table increments it,
 * so an unchanged number means an unchanged filter. The socket's protocol is NETLINK.netfilter.
 */
export function filterGeneration(socket: NetlinkSocket): number {
  const answer = socket.ask(
    'cannot read the state of the packet filter',
    GET_GENERATION,
    Buffer.alloc(HEADER),
  );
  const id = answer === undefined ? undefined : readAttributes(answer.body, HEADER).get(ID);
  if (id === undefined) throw new Error('the kernel did not return the state of the packet filter');
  return id.readUInt32BE(0);
}
