import type { HostFacts } from './host.ts';
import type { AppReport } from './report.ts';
import type { AppTarget, HostTarget } from './target.ts';

/** Version of the messages; a registry and an agent of adjacent versions are compatible. */
export const PROTOCOL = 'berth.fleet.v1';

/** Maximum size of a message from a host, bytes; reports of many apps are split. */
export const MESSAGE_LIMIT = 1024 * 1024;

/**
 * Maximum size of a message from the registry, bytes: a whole target includes all configurations and sealed secrets.
 */
export const TARGET_LIMIT = 64 * 1024 * 1024;

/** Interval of the registry's pings, ms. An agent reconnects after twice as long without one. */
export const PING_INTERVAL = 30_000;

/**
 * A message from the registry to a host: a text frame of JSON. After `hello` the registry sends the whole target, which
 * replaces the host's target whatever its generation: the registry may have been restored from a backup. Then it sends
 * changes relative to generation `from`. A host with another generation requests the whole target by `resync`.
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
  /**
   * A newer connection of the same host has replaced this one; the agent logs it and does not reconnect for a minute.
   */
  | { readonly type: 'replaced' }
  /** The host was removed: the agent stops connecting, and its instances continue. */
  | { readonly type: 'removed' }
  | { readonly type: 'open'; readonly channel: number; readonly request: ChannelRequest };

/**
 * A message from a host to the registry. `hello` comes first. Each report replaces the previous one of the same app;
 * after each connect the host reports all its apps.
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

/** An interactive request to an instance. */
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
 * Data of a channel is sent in binary frames in both directions: channel (4 bytes, big-endian), kind (1 byte), payload.
 * `data` of logs is lines of JSON (LogEntry). `exit` has the exit code as JSON, `error` a message, `size` JSON of
 * `{rows, columns}`. `credit` (4 bytes, big-endian) allows the other side to send that many bytes more; each side
 * begins with CHANNEL_WINDOW. `end` half-closes; `close` ends the channel from either side.
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

/** Initial credit, bytes of data. */
export const CHANNEL_WINDOW = 256 * 1024;

/** Maximum open channels of a host. */
export const MAX_CHANNELS = 64;

/** A line of an instance's output. */
export interface LogEntry {
  readonly host?: string;
  readonly service: string;
  readonly instance: number;
  readonly release: number;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  /** Without its line feed; invalid UTF-8 is replaced. */
  readonly line: string;
  /** The line continues in the next entry of the same instance, stream and time. */
  readonly partial?: true;
}

/** Maximum bytes of an entry's text; a longer line is split. As JSON it fits into the window of a channel. */
export const LONGEST_ENTRY = 32 * 1024;
