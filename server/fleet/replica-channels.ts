import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { creditOf, decodeFrame, encodeFrame } from '../../fleet/channel-frame.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import type { ChannelRequest } from '../../fleet/messages.ts';
import type {
  ReplicaListener,
  ReplicaMessage,
  ReplicaMessages,
} from '../../storage/fleet/replica-messages.ts';
import { repeat } from '../background/repeat.ts';
import { RegistryError } from '../errors.ts';
import { HostChannel, isData } from './host-channel.ts';
import type { HostHub } from './host-hub.ts';

/** Milliseconds that another replica has to open a channel. */
const PATIENCE = 10_000;
/** Milliseconds between heartbeats of a channel, and of silence after which it ends. */
const BEAT = 10_000;
const LONGEST_SILENCE = 4 * BEAT;
/** Maximum channels that this replica may have open to hosts of others, and others to its own. */
const MAX_OPEN = 500;

/** A request of one replica to another. */
interface OpenRequest {
  /** Its ID. */
  readonly host: string;
  readonly name: string;
  readonly request: ChannelRequest;
  readonly by: string;
}

interface Refusal {
  readonly isBusy: boolean;
  readonly message: string;
}

interface Asked {
  readonly replica: string;
  readonly channel: HostChannel;
  readonly host: string;
  readonly opened: PromiseWithResolvers<void>;
  heardAt: number;
}

interface Served {
  readonly replica: string;
  readonly channel: HostChannel;
  heardAt: number;
}

/**
 * Channels to hosts that are connected to another replica. That replica passes the frames on, by messages in the
 * database. Both ends respect the windows of the channel, so neither fills the memory.
 */
export class ReplicaChannels implements ReplicaListener {
  readonly #messages: ReplicaMessages;
  readonly #hub: Pick<HostHub, 'find'>;
  readonly #log: Logger;
  readonly #asked = new Map<string, Asked>();
  readonly #served = new Map<string, Served>();

  constructor(messages: ReplicaMessages, hub: Pick<HostHub, 'find'>, log: Logger) {
    this.#messages = messages;
    this.#hub = hub;
    this.#log = log;
  }

  /** Serves and uses channels until `signal` aborts; resolves then. */
  async keep(signal: AbortSignal): Promise<void> {
    const beat = async () => this.#beat(performance.now());
    await Promise.all([
      this.#messages.listen(this, signal),
      repeat(beat, { first: BEAT, every: BEAT }, signal, (error) => this.failed(error)),
    ]);
  }

  readonly isOpen = (): boolean => this.#asked.size + this.#served.size > 0;

  /** Opens a channel to a host of another replica. Throws RegistryError. */
  async open(
    { connection, id: host, name }: Pick<ReportedHost, 'connection' | 'id' | 'name'>,
    request: ChannelRequest,
    by: string,
  ): Promise<HostChannel> {
    const [replica] = connection?.split('/') ?? [];
    if (replica === undefined || replica === this.#messages.self) {
      throw new RegistryError('HOST_UNREACHABLE', notConnected(name));
    }
    if (this.#asked.size >= MAX_OPEN) {
      throw new RegistryError('TOO_MANY_REQUESTS', 'too many logs and commands are open: end some of them');
    }
    const id = randomUUID();
    const channel = new HostChannel(0, by, {
      sendFrame: (frame) => this.#send(replica, id, 'frame', frame),
      forget: () => this.#asked.delete(id),
    });
    const opened = Promise.withResolvers<void>();
    this.#asked.set(id, { replica, channel, host: name, opened, heardAt: performance.now() });
    const asked: OpenRequest = { host, name, request, by };
    this.#send(replica, id, 'open', Buffer.from(JSON.stringify(asked)));
    const timer = setTimeout(
      () => opened.reject(new RegistryError('HOST_UNREACHABLE', noAnswer(name))),
      PATIENCE,
    );
    try {
      await opened.promise;
      return channel;
    } catch (error) {
      channel.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  received(message: ReplicaMessage): void {
    const { channel: id, kind, payload, replica } = message;
    if (kind === 'open') {
      this.#serve(message);
      return;
    }
    const asked = this.#asked.get(id);
    const served = this.#served.get(id);
    const heard = asked ?? served;
    if (heard === undefined || heard.replica !== replica) {
      if (kind === 'ping' || kind === 'frame') this.#send(replica, id, 'gone');
      return;
    }
    heard.heardAt = performance.now();
    if (kind === 'gone') {
      if (asked !== undefined) this.#lose(asked);
      if (served !== undefined) this.#endServed(id, served);
    } else if (kind === 'opened') asked?.opened.resolve();
    else if (kind === 'refused' && asked !== undefined) {
      const { isBusy, message: why } = JSON.parse(payload.toString('utf8')) as Refusal;
      asked.opened.reject(new RegistryError(isBusy ? 'TOO_MANY_REQUESTS' : 'HOST_UNREACHABLE', why));
    } else if (kind === 'frame') {
      const frame = decodeFrame(payload);
      if (frame === undefined) return;
      if (asked !== undefined && !asked.channel.take(frame)) asked.channel.close();
      if (served !== undefined && !passOn(frame, served.channel)) this.#endServed(id, served);
    }
  }

  failed(error: unknown): void {
    if (!this.isOpen()) return;
    this.#log.warn({ err: error }, 'logs and commands of hosts of other replicas end: the database fails');
    for (const asked of this.#asked.values()) this.#lose(asked);
    for (const [id, served] of this.#served) this.#endServed(id, served);
  }

  #serve({ channel: id, payload, replica }: ReplicaMessage): void {
    const { by, host, name, request } = JSON.parse(payload.toString('utf8')) as OpenRequest;
    try {
      const connection = this.#hub.find(host);
      if (connection === undefined) throw new RegistryError('HOST_UNREACHABLE', notConnected(name));
      if (this.#served.size >= MAX_OPEN) throw new RegistryError('TOO_MANY_REQUESTS');
      const channel = connection.openChannel(request, by);
      this.#served.set(id, { replica, channel, heardAt: performance.now() });
      this.#send(replica, id, 'opened');
      channel.receive(({ kind, payload: bytes }) => {
        this.#send(replica, id, 'frame', encodeFrame(0, kind, bytes));
        if (kind === 'close') this.#served.delete(id);
      });
    } catch (error) {
      const { message } = error as Error;
      const isBusy = error instanceof RegistryError && error.kind === 'TOO_MANY_REQUESTS';
      this.#send(replica, id, 'refused', Buffer.from(JSON.stringify({ isBusy, message })));
    }
  }

  #endServed(id: string, { channel }: Served): void {
    this.#served.delete(id);
    channel.close();
  }

  #beat(now: number): void {
    const isSilent = ({ heardAt }: Pick<Served, 'heardAt'>) => now - heardAt > LONGEST_SILENCE;
    for (const [id, asked] of this.#asked) {
      if (isSilent(asked)) this.#lose(asked);
      else this.#send(asked.replica, id, 'ping');
    }
    for (const [id, served] of this.#served) {
      if (isSilent(served)) this.#endServed(id, served);
      else this.#send(served.replica, id, 'ping');
    }
  }

  #lose({ channel, host, opened }: Asked): void {
    opened.reject(new RegistryError('HOST_UNREACHABLE', noAnswer(host)));
    channel.abort(lost(host));
  }

  #send(replica: string, channel: string, kind: string, payload: Buffer = Buffer.alloc(0)): void {
    this.#messages.send({ replica, channel, kind, payload });
  }
}

/** Passes a frame of a person on to the host; returns false when the channel must end. */
function passOn(frame: NonNullable<ReturnType<typeof decodeFrame>>, channel: HostChannel): boolean {
  const { kind, payload } = frame;
  if (kind === 'credit') return channel.allow(creditOf(frame) ?? 0);
  if (kind === 'stdin' || kind === 'size' || kind === 'end') return channel.send(kind, payload);
  return kind !== 'close' && !isData(frame);
}

/** Returns the message about a host without a connection. */
export function notConnected(host: string): string {
  return `the host ${host} is not connected: check berth-agent there`;
}

function noAnswer(host: string): string {
  return `the replica of the registry that has the connection of the host ${host} does not answer: try again soon`;
}

function lost(host: string): string {
  return `the replica of the registry that has the connection of the host ${host} has ended`;
}
