import type { ReportedHost } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { type ChannelRequest, MESSAGE_LIMIT } from '../../fleet/messages.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, integer, list, object, optional, text } from '../api/schema.ts';
import { type IdentifyAgain, whileAllowed } from '../api/while-allowed.ts';
import { RegistryError } from '../errors.ts';
import { answerStream } from '../http/answer.ts';
import { offersUpgrade } from '../http/upgrades.ts';
import { shorten } from '../log.ts';
import type { RequestContext } from '../request-context.ts';
import { APP_MAINTAINERS, APP_READERS, appOf, byOf } from './app-access.ts';
import { followLogs } from './follow-logs.ts';
import type { HostChannel } from './host-channel.ts';
import { type LogLine, lastLines, logLines, mergeLogs } from './log-lines.ts';
import { ENVIRONMENT_HEADER, parseCommand, parseEnvironment, shownCommand } from './read-exec.ts';
import { relayExec } from './relay-exec.ts';
import { notConnected } from './replica-channels.ts';
import { acceptWebSocket } from './web-socket.ts';

const LONGEST_DETAIL = 4_000;
/** Default number of lines of a list. */
const USUAL_LINES = 200;
const MOST_LINES = 1_000;
/** Maximum characters of all lines together. */
const MOST_TEXT = 1024 * 1024;
/** Milliseconds that hosts have to send a list of lines. */
const PATIENCE = 10_000;

/** Opens a channel to a host, whichever replica it is connected to. Throws RegistryError. */
export type OpenChannel = (host: ReportedHost, request: ChannelRequest, by: string) => Promise<HostChannel>;

type LogRequest = Extract<ChannelRequest, { readonly kind: 'logs' }>;

export interface ChannelRoutesDependencies {
  readonly hosts: Pick<HostStore, 'list'>;
  readonly openChannel: OpenChannel;
  readonly audit: Pick<AuditCatalog, 'record'>;
  readonly identifyAgain: IdentifyAgain;
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
    partial: optional(
      boolean({ description: 'Whether the next line of the instance and stream continues this one' }),
    ),
    error: optional(
      text({ description: 'Why the host sends no lines; then all other fields except `host` are absent' }),
    ),
  },
  { title: 'LogLine' },
);

const READS_LOGS = { access: APP_READERS, area: 'apps', method: 'GET' } as const;
const RUNS_COMMANDS = { access: APP_MAINTAINERS, area: 'apps', method: 'GET', changes: true } as const;

/** Logs of instances, and commands in them. */
export function channelRoutes({
  hosts,
  openChannel,
  audit,
  identifyAgain,
}: ChannelRoutesDependencies): readonly Route[] {
  return [
    route({
      ...READS_LOGS,
      path: '/apps/{app}/logs',
      id: 'readLogs',
      summary: 'Lines of the instances of an app, as JSON lines',
      description:
        'By time or, with `follow`, as they arrive, until the login or the right to them ends. An unreachable host is a line with `error`.',
      params: { app: 'Name of the app; write %2F for each slash' },
      query: {
        service: optional(text({ description: 'One service alone' })),
        instance: INSTANCE,
        follow: optional(boolean({ description: 'Whether to continue with new lines' })),
        tail: optional(
          integer({
            minimum: 0,
            maximum: 100_000,
            description: 'Number of last lines of each instance',
          }),
        ),
        since: optional(
          integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Milliseconds since 1970' }),
        ),
        timestamps: optional(boolean({ description: 'Whether the client will show times' })),
      },
      lines: LOG_LINE,
      errors: { 404: 'No host has instances of the app', 503: 'No such host is reachable' },
      async handle({ ctx, query }) {
        const app = appOf(ctx);
        const { follow = false, timestamps = false } = query;
        const request: LogRequest = { ...query, kind: 'logs', app, follow, timestamps };
        const wanted = follow
          ? whileAllowed(ctx, READS_LOGS, identifyAgain, ctx.state.signal)
          : ctx.state.signal;
        const { found, open, sources, failures, signal } = await openLogs(ctx, request, wanted);
        const lines = follow
          ? followLogs({
              hosts: () => hostsThat(app),
              begun: sources,
              open: (host, since) => open(host, since === undefined ? {} : { since }),
              signal,
            })
          : mergeLogs(found.map((host) => sources.get(host.id) ?? failed(host, failures.get(host.id))));
        answerStream(ctx, linesOf(lines), { 'Content-Type': 'application/jsonl' });
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/latest-logs',
      id: 'listLatestLogs',
      summary: 'The latest lines of the instances of an app, as a list',
      description: 'By time. It contains the lines that hosts send within ten seconds.',
      access: APP_READERS,
      area: 'apps',
      params: { app: 'Name of the app; write %2F for each slash' },
      query: {
        service: optional(text({ description: 'One service alone' })),
        instance: INSTANCE,
        lines: optional(
          integer({ minimum: 1, maximum: MOST_LINES, description: `${USUAL_LINES} unless given` }),
        ),
      },
      answer: object({
        lines: list(LOG_LINE),
        complete: boolean({ description: 'False if there was more than 1 MB, or a host was too slow' }),
      }),
      errors: { 404: 'No host has instances of the app', 503: 'No such host is reachable' },
      async handle({ ctx, query: { lines: count = USUAL_LINES, ...wanted } }) {
        const late = AbortSignal.timeout(PATIENCE);
        const request: LogRequest = {
          ...wanted,
          kind: 'logs',
          app: appOf(ctx),
          tail: count,
          follow: false,
          timestamps: true,
        };
        const signal = AbortSignal.any([ctx.state.signal, late]);
        const { found, sources, failures } = await openLogs(ctx, request, signal);
        const merged = mergeLogs(
          found.map((host) => sources.get(host.id) ?? failed(host, failures.get(host.id))),
        );
        const { lines, isCut } = await lastLines(merged, { count, text: MOST_TEXT });
        return { lines, complete: !isCut && !late.aborted };
      },
    }),
    route({
      ...RUNS_COMMANDS,
      path: '/apps/{app}/exec',
      id: 'execInApp',
      summary: 'Run a command in an instance, over a WebSocket',
      description:
        'It ends when the login or the right to it does. The subprotocol is berth.fleet.v1. Binary frames of channel 0: fleet/messages.ts describes them. Without `instance` it runs in any instance. The header Berth-Environment contains variables: a JSON object of strings, in base64url.',
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
        426: 'The request is not for a WebSocket',
        503: 'The host is unreachable',
      },
      async handle({ ctx, query }) {
        const app = appOf(ctx);
        const { service, instance, tty = false, stdin = false, user, workdir, rows, columns } = query;
        const command = parseCommand(query.command);
        const environment = parseEnvironment(ctx.req.headers[ENVIRONMENT_HEADER.toLowerCase()]?.toString());
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
        const request: ChannelRequest = {
          kind: 'exec',
          app,
          service,
          ...(instance !== undefined && { instance }),
          command,
          environment,
          ...(user !== undefined && { user }),
          ...(workdir !== undefined && { workingDir: workdir }),
          tty,
          stdin,
          ...(rows !== undefined && columns !== undefined && { size: { rows, columns } }),
        };
        const what = `exec in ${service} of ${app}`;
        const shown = shownCommand(command, environment);
        const channel = await openFirst(await hostsOf(app, runs), request, byOf(ctx), (host) =>
          record(ctx, `${what} on ${host.name}: ${shown}`),
        );
        try {
          const person = await acceptWebSocket(ctx, MESSAGE_LIMIT);
          const left = new AbortController();
          const allowed = whileAllowed(ctx, RUNS_COMMANDS, identifyAgain, left.signal);
          void relayExec(person, channel, allowed).finally(() => left.abort());
        } catch (error) {
          channel.close();
          throw error;
        }
      },
    }),
  ];

  /** Opens the logs of all reachable hosts of an app, and records it. Throws RegistryError when none is reachable. */
  async function openLogs(ctx: RequestContext, request: LogRequest, wanted: AbortSignal) {
    const refused = new AbortController();
    const signal = AbortSignal.any([wanted, refused.signal]);
    const found = await hostsOf(request.app, () => true);
    const by = byOf(ctx);
    const open = async (host: ReportedHost, more: { readonly since?: number } = {}) => {
      const { tail: _, ...rest } = request;
      const asked = more.since === undefined ? request : { ...rest, ...more };
      return logLines(await openChannel(host, asked, by), host.name, signal);
    };
    await record(ctx, `logs of ${request.app}`);
    const opened = await openAll(found, open).catch((error) => {
      refused.abort();
      throw error;
    });
    return { ...opened, found, open, signal };
  }

  /** Returns the hosts that have reported about the app, by name. */
  async function hostsThat(app: string): Promise<readonly ReportedHost[]> {
    return (await hosts.list()).filter((host) => host.reports.some((report) => report.app === app));
  }

  /** Selects the wanted hosts. Throws RegistryError when there are none. */
  async function hostsOf(
    app: string,
    isWanted: (host: ReportedHost) => boolean,
  ): Promise<readonly ReportedHost[]> {
    const found = (await hostsThat(app)).filter(isWanted);
    if (found.length > 0) return found;
    throw new RegistryError('ENTRY_UNKNOWN', `${app} has no such instance`);
  }

  /** Opens a channel to the first reachable host. Throws RegistryError. */
  async function openFirst(
    found: readonly ReportedHost[],
    request: ChannelRequest,
    by: string,
    before: (host: ReportedHost) => Promise<void>,
  ): Promise<HostChannel> {
    let failure: unknown;
    for (const host of found) {
      if (host.connected) await before(host);
      try {
        return await openChannel(host, request, by);
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        failure ??= error;
      }
    }
    throw failure;
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

function isUnreachable(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.kind === 'HOST_UNREACHABLE';
}

/**
 * Returns the lines of the reachable hosts, and why others are unreachable, by the ID of the host. Throws RegistryError
 * when none is reachable, or there are too many open channels.
 */
async function openAll(
  found: readonly ReportedHost[],
  open: (host: ReportedHost) => Promise<AsyncGenerator<LogLine>>,
) {
  const sources = new Map<string, AsyncGenerator<LogLine>>();
  const failures = new Map<string, RegistryError>();
  const refusals: unknown[] = [];
  await Promise.all(
    found.map(async (host) => {
      try {
        sources.set(host.id, await open(host));
      } catch (error) {
        if (isUnreachable(error)) failures.set(host.id, error);
        else refusals.push(error);
      }
    }),
  );
  if (refusals.length === 0 && sources.size > 0) return { sources, failures };
  throw refusals[0] ?? failures.values().next().value;
}

async function* failed({ name }: ReportedHost, error: RegistryError | undefined): AsyncGenerator<LogLine> {
  yield { host: name, error: error?.message ?? notConnected(name) };
}

async function* linesOf(lines: AsyncIterable<LogLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}
