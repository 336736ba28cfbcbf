import type { HostFacts } from './host.ts';
import type { AppReport } from './report.ts';
import type { AppTarget, HostTarget } from './target.ts';

/** Version of the messages; a registry and an agent of two neighbouring versions understand each other. */
export const PROTOCOL = 'berth.fleet.v1';

/** Maximum size of a message from a host, bytes: reports of many apps go in several. */
export const MESSAGE_LIMIT = 1024 * 1024;

/** Maximum size of a message from the registry, bytes: a whole target has all configurations and sealed secrets. */
export const TARGET_LIMIT = 64 * 1024 * 1024;

/** Interval of the registry's pings, ms. An agent that hears nothing for twice as long connects again. */
export const PING_INTERVAL = 30_000;

/**
 * From the registry to a host, as text frames of JSON. After `hello` the registry sends the whole target, which takes the
 * place of what the host has whatever the generations are: the registry may have been restored from a backup. Then it
 * sends changes, each of the target of generation `from`. A host that has another one asks for the whole by `resync`.
 */
export type RegistryMessage =
  | { readonly type: 'target'; readonly target: HostTarget }
  | {
      readonly type: 'change';
      readonly from: number;
      readonly generation: number;
      readonly set: readonly AppTarget[];
      readonly remove: readonly string[];
    }
  /** A newer connection of the same host has taken over; the agent logs it and does not connect again for a minute. */
  | { readonly type: 'replaced' }
  /** The host was removed: the agent stops asking, and its instances go on. */
  | { readonly type: 'removed' }
  | { readonly type: 'open'; readonly channel: number; readonly request: ChannelRequest };

/**
 * From a host to the registry. `hello` comes first. Each report replaces the one before of the same app; after each
 * connect the host reports all of its apps.
 */
export type HostMessage =
  | { readonly type: 'hello'; readonly facts: HostFacts; readonly generation: number }
  | {
      readonly type: 'report';
      readonly reports: readonly AppReport[];
      /** Apps that are completely removed from this host. */
      readonly gone: readonly string[];
    }
  | { readonly type: 'resync' };

/** What a person does in an instance. */
export type ChannelRequest =
  | {
      readonly kind: 'logs';
      readonly app: string;
      readonly service?: string;
      readonly instance?: number;
      readonly follow: boolean;
      readonly timestamps: boolean;
      readonly tail?: number;
      /** Ms since 1970. */
      readonly since?: number;
    }
  | {
      readonly kind: 'exec';
      readonly app: string;
      readonly service: string;
      readonly instance?: number;
      readonly command: readonly string[];
      readonly environment: Readonly<Record<string, string>>;
      readonly user?: string;
      readonly workingDir?: string;
      readonly tty: boolean;
      readonly stdin: boolean;
      readonly size?: { readonly rows: number; readonly columns: number };
    };

/**
 * Bytes of a channel are binary frames in both directions: channel (4 bytes, big-endian), kind (1 byte), payload.
 * `data` of logs is lines of JSON (LogEntry). `exit` has the exit code as JSON, `error` a sentence, `size` JSON of
 * `{rows, columns}`. `credit` (4 bytes, big-endian) allows the other side that many bytes more of data; a side begins
 * with CHANNEL_WINDOW. `end` half-closes; `close` ends the channel from either side.
 */
export const CHANNEL_KINDS = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  data: 3,
  size: 4,
  end: 5,
  exit: 6,
  error: 7,
  credit: 8,
  close: 9,
} as const;
export type ChannelKind = keyof typeof CHANNEL_KINDS;

/** Bytes of data that a side may send before it has credit. */
export const CHANNEL_WINDOW = 256 * 1024;

/** Channels that a host may have open at once. */
export const MAX_CHANNELS = 64;

/** A line that an instance wrote. */
export interface LogEntry {
  readonly host?: string;
  readonly service: string;
  readonly instance: number;
  readonly release: number;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  /** Without its line feed; bytes that are no UTF-8 are replaced. */
  readonly line: string;
  /** The next entry of the instance and stream, of the same time, goes on with this line. */
  readonly partial?: true;
}

/** Bytes of the text of an entry: a longer line is several. As JSON they are no more than the window of a channel. */
export const LONGEST_ENTRY = 32 * 1024;
