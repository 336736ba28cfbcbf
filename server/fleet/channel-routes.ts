import { Readable } from 'node:stream';
import { SettingInvalidError } from '../../auth/errors.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { type ChannelRequest, MESSAGE_LIMIT } from '../../fleet/messages.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, integer, object, optional, text } from '../api/schema.ts';
import { RegistryError } from '../errors.ts';
import { offersUpgrade } from '../http/upgrades.ts';
import type { RequestContext } from '../request-context.ts';
import { shorten } from '../shorten.ts';
import { APP_MAINTAINERS, APP_READERS, appOf, byOf } from './app-access.ts';
import type { HostConnection } from './host-connection.ts';
import type { HostHub } from './host-hub.ts';
import { type LogLine, logLines, mergeLogs } from './log-lines.ts';
import { relayExec } from './relay-exec.ts';
import { acceptWebSocket } from './web-socket.ts';

/** Words of a command, and characters of all. */
const MAX_WORDS = 1_000;
const LONGEST_COMMAND = 16_000;
const LONGEST_DETAIL = 4_000;

export interface ChannelRoutesDependencies {
  readonly hosts: Pick<HostStore, 'list'>;
  readonly hub: Pick<HostHub, 'find'>;
  readonly audit: Pick<AuditCatalog, 'record'>;
}

const INSTANCE = optional(integer({ minimum: 1, maximum: 1_000_000, description: 'Number of the instance' }));

const LOG_LINE = object(
  {
    host: text(),
    service: optional(text()),
    instance: optional(integer()),
    release: optional(integer()),
    stream: optional(text({ enum: ['stdout', 'stderr'] })),
    time: optional(text({ description: 'RFC 3339 with nanoseconds' })),
    line: optional(text()),
    error: optional(text({ description: 'Why the host gives no lines; all but `host` is absent then' })),
  },
  { title: 'LogLine' },
);

/** What people read of instances, and do in them. */
export function channelRoutes({ hosts, hub, audit }: ChannelRoutesDependencies): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/apps/{app}/logs',
      id: 'readLogs',
      summary: 'Lines of the instances of an app, as JSON lines',
      description:
        'By time or, with `follow`, as they come. A host that cannot be asked is a line with `error`.',
      access: APP_READERS,
      area: 'apps',
      params: { app: 'Name of the app; write %2F for each slash' },
      query: {
        service: optional(text({ description: 'One service alone' })),
        instance: INSTANCE,
        follow: optional(boolean({ description: 'Whether to go on with the lines that come' })),
        tail: optional(
          integer({
            minimum: 0,
            maximum: 100_000,
            description: 'How many of the last lines of each instance',
          }),
        ),
        since: optional(
          integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Milliseconds since 1970' }),
        ),
        timestamps: optional(boolean({ description: 'Whether the client will show times' })),
      },
      lines: LOG_LINE,
      errors: { 404: 'No host has instances of the app', 503: 'No host that has can be asked' },
      async handle({ ctx, query }) {
        const app = appOf(ctx);
        const { follow = false, timestamps = false } = query;
        const request: ChannelRequest = { ...query, kind: 'logs', app, follow, timestamps };
        const found = await hostsOf(app, () => true);
        const open = found.map((host) => ({ host, connection: hub.find(host.id) }));
        if (open.every(({ connection }) => connection === undefined)) throw unreachable(found);
        await record(ctx, `logs of ${app}`);
        const sources = open.map(({ host, connection }) =>
          connection === undefined
            ? failed(host)
            : logLines(connection.openChannel(request, byOf(ctx)), host.name, ctx.state.signal),
        );
        ctx.status = 200;
        ctx.set('Content-Type', 'application/jsonl');
        // Those of the middleware, and of the stream.
        ctx.res.setMaxListeners(20);
        ctx.body = Readable.from(linesOf(mergeLogs(sources, follow)));
        // The first line may be long in coming.
        ctx.flushHeaders();
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/exec',
      id: 'execInApp',
      summary: 'Run a command in an instance, over a WebSocket',
      description:
        'The subprotocol is berth.fleet.v1. Binary frames of channel 0: fleet/messages.ts describes them. Without `instance` it runs in the first that is found.',
      access: APP_MAINTAINERS,
      area: 'apps',
      params: { app: 'Name of the app; write %2F for each slash' },
      query: {
        service: text({ description: 'Name of the service' }),
        command: text({ description: 'JSON: a list of strings' }),
        instance: INSTANCE,
        tty: optional(boolean({ description: 'Whether it gets a terminal' })),
        stdin: optional(boolean({ description: 'Whether it gets input' })),
        user: optional(text({ description: 'USER or UID, and :GROUP' })),
        workdir: optional(text({ description: 'Working directory' })),
        rows: optional(integer({ minimum: 1, maximum: 65_535, description: 'Of the terminal' })),
        columns: optional(integer({ minimum: 1, maximum: 65_535, description: 'Of the terminal' })),
      },
      errors: {
        404: 'No such instance runs',
        426: 'The request asks for no WebSocket',
        503: 'The host cannot be asked',
      },
      async handle({ ctx, query }) {
        const app = appOf(ctx);
        const { service, instance, tty = false, stdin = false, user, workdir, rows, columns } = query;
        const command = parseCommand(query.command);
        if (!offersUpgrade(ctx.req)) throw new RegistryError('UPGRADE_REQUIRED');
        const runs = (host: ReportedHost) =>
          host.reports.some(
            (report) =>
              report.app === app &&
              report.instances.some(
                (one) =>
                  one.service === service &&
                  one.state === 'running' &&
                  (instance === undefined || one.instance === instance),
              ),
          );
        const found = await hostsOf(app, runs);
        const connection = firstOf(found);
        await record(
          ctx,
          `exec in ${service} of ${app} on ${connection.host.name}: ${JSON.stringify(command)}`,
        );
        const channel = connection.openChannel(
          {
            kind: 'exec',
            app,
            service,
            ...(instance !== undefined && { instance }),
            command,
            environment: {},
            ...(user !== undefined && { user }),
            ...(workdir !== undefined && { workingDir: workdir }),
            tty,
            stdin,
            ...(rows !== undefined && columns !== undefined && { size: { rows, columns } }),
          },
          byOf(ctx),
        );
        try {
          void relayExec(await acceptWebSocket(ctx, MESSAGE_LIMIT), channel);
        } catch (error) {
          channel.close();
          throw error;
        }
      },
    }),
  ];

  /** Hosts that have reported about the app, by name. Throws RegistryError when there are none. */
  async function hostsOf(
    app: string,
    isWanted: (host: ReportedHost) => boolean,
  ): Promise<readonly ReportedHost[]> {
    const found = (await hosts.list()).filter(
      (host) => host.reports.some((report) => report.app === app) && isWanted(host),
    );
    if (found.length > 0) return found;
    throw new RegistryError('ENTRY_UNKNOWN', `no such instance of ${app} is there`);
  }

  function firstOf(found: readonly ReportedHost[]): HostConnection {
    for (const { id } of found) {
      const connection = hub.find(id);
      if (connection !== undefined) return connection;
    }
    throw unreachable(found);
  }

  async function record(ctx: RequestContext, what: string): Promise<void> {
    const { remote } = ctx.state.origin;
    await audit.record([
      {
        at: new Date(),
        who: byOf(ctx),
        ...(remote !== undefined && { address: remote }),
        action: 'manage',
        outcome: 'done',
        detail: shorten(what, LONGEST_DETAIL),
        count: 1,
      },
    ]);
  }
}

function sentenceOf({ connected, name }: ReportedHost): string {
  return connected
    ? `the host ${name} is connected to another replica of this registry: ask that one`
    : `the host ${name} is not connected: look at berth-agent there`;
}

function unreachable([first]: readonly ReportedHost[]): RegistryError {
  return new RegistryError('HOST_UNREACHABLE', first && sentenceOf(first));
}

async function* failed(host: ReportedHost): AsyncGenerator<LogLine> {
  yield { host: host.name, error: sentenceOf(host) };
}

async function* linesOf(lines: AsyncIterable<LogLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}

function parseCommand(value: string): readonly string[] {
  const words = value.length > LONGEST_COMMAND ? undefined : parse(value);
  if (
    Array.isArray(words) &&
    words.length > 0 &&
    words.length <= MAX_WORDS &&
    words.every((word): word is string => typeof word === 'string' && !word.includes('\0'))
  ) {
    return words;
  }
  throw new SettingInvalidError('"command" must be a JSON list of at least one string, such as ["sh"]');
}

function parse(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
