import { randomBytes } from 'node:crypto';
import { nameOf } from '../../auth/access/access.ts';
import { allowsAction } from '../../auth/access/rights.ts';
import { hashSecret, makeId } from '../../auth/credentials/secret.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { ALLOWANCES, HOST_STATES, hostState, type ReportedHost } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { formatJoinToken, JOIN_SECRET_BYTES } from '../../fleet/join-token.ts';
import { parseHostName, parseLabels } from '../../fleet/read-host.ts';
import { type Access, ADMINS } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  record,
  text,
  timestamp,
} from '../api/schema.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import type { FleetSignals } from './fleet-signals.ts';
import type { HostHub } from './host-hub.ts';

/** Lifetime of a join token, milliseconds. */
const TOKEN_LIFE = 60 * 60 * 1000;

export interface HostRoutesDependencies {
  readonly hosts: HostStore;
  readonly hub: Pick<HostHub, 'remove'>;
  readonly signals: FleetSignals;
  /** Returns the hash of this registry's certificate authority, if it is a private one. */
  readonly authority: () => Promise<Buffer | undefined>;
}

/** Who sees hosts, since they show the names of all apps. */
const READERS_OF_ALL: Access = {
  who: 'For administrators, and for readers of `*`.',
  check: ({ state }: RequestContext) => {
    if (allowsAction(state.identity.rights, '*', 'pull')) return;
    throw new RegistryError('DENIED', 'this is for administrators and for readers of *');
  },
};

const LABELS = record(text(), { description: 'Keys and values of at most 63 and 128 characters' });

const JOIN_TOKEN = object(
  {
    id: text(),
    token: text({ description: 'For berth-agent join, once; it is not shown again' }),
    labels: LABELS,
    expiresAt: timestamp(),
  },
  { title: 'JoinToken' },
);

const HOST = object(
  {
    id: text(),
    name: text(),
    state: oneOf(HOST_STATES),
    labels: LABELS,
    draining: boolean({ description: 'Whether it gets no new instances' }),
    facts: object({
      version: text({ description: 'Of its agent' }),
      operatingSystem: text(),
      platform: text({ description: 'Such as linux/amd64' }),
      processors: integer(),
      memory: integer({ description: 'Bytes' }),
      allows: list(oneOf(ALLOWANCES)),
      ingress: boolean(),
    }),
    joinedAt: timestamp(),
    seenAt: nullable(timestamp()),
    apps: list(text(), { description: 'Apps that it last reported about' }),
  },
  { title: 'Host' },
);

const HOST_CHANGE = object(
  { name: optional(text()), labels: optional(LABELS), draining: optional(boolean()) },
  { title: 'HostChange' },
);

const UNKNOWN = { 404: 'There is no host of this name' };
const NAME = { name: 'The name of the host, or its ID' };

/** The hosts of the fleet, and the tokens with which machines join. */
export function hostRoutes({ hosts, hub, signals, authority }: HostRoutesDependencies): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: '/host-tokens',
      id: 'createHostToken',
      summary: 'Make a token with which one machine joins as a host',
      description:
        'It is valid once, within an hour. The host gets the labels of the token, whatever the machine requests.',
      access: ADMINS,
      area: 'hosts',
      body: object({ labels: optional(LABELS) }, { title: 'NewJoinToken' }),
      status: 201,
      answer: JOIN_TOKEN,
      handle: async ({ ctx, body }) =>
        createJoinToken(hosts, {
          labels: body.labels ?? {},
          createdBy: nameOf(ctx.state.identity) ?? '',
          authority: await authority(),
        }),
    }),
    route({
      method: 'GET',
      path: '/hosts',
      id: 'listHosts',
      summary: 'Hosts, by name',
      access: READERS_OF_ALL,
      area: 'hosts',
      answer: object({ hosts: list(HOST) }),
      handle: async () => ({ hosts: (await hosts.list()).map(hostView) }),
    }),
    route({
      method: 'GET',
      path: '/hosts/{name}',
      id: 'getHost',
      summary: 'A host',
      access: READERS_OF_ALL,
      area: 'hosts',
      params: NAME,
      answer: HOST,
      errors: UNKNOWN,
      handle: async ({ params: { name } }) => hostView(await expectHost(name)),
    }),
    route({
      method: 'PATCH',
      path: '/hosts/{name}',
      id: 'changeHost',
      summary: 'Rename a host, replace its labels, or drain it',
      description: 'Absent fields stay unchanged.',
      access: ADMINS,
      area: 'hosts',
      params: NAME,
      body: HOST_CHANGE,
      answer: HOST,
      errors: { ...UNKNOWN, 409: 'There is already a host with the new name' },
      async handle({ params: { name }, body }) {
        const { id } = await hosts.update(name, {
          ...(body.name !== undefined && { name: parseHostName(body.name) }),
          ...(body.labels !== undefined && { labels: parseLabels(body.labels) }),
          ...(body.draining !== undefined && { draining: body.draining }),
        });
        const host = await expectHost(id);
        signals.appsChanged(appsOf(host));
        return hostView(host);
      },
    }),
    route({
      method: 'DELETE',
      path: '/hosts/{name}',
      id: 'removeHost',
      summary: 'Remove a host',
      description: 'It loses all access within a minute. Its containers keep running.',
      access: ADMINS,
      area: 'hosts',
      params: NAME,
      errors: UNKNOWN,
      async handle({ params: { name } }) {
        const host = await expectHost(name);
        if (!(await hosts.remove(host.id))) throw unknownHost(name);
        hub.remove(host.id);
        signals.appsChanged(appsOf(host));
      },
    }),
  ];

  async function expectHost(name: string): Promise<ReportedHost> {
    const host = await hosts.find(name);
    if (host === undefined) throw unknownHost(name);
    return host;
  }
}

/**
 * Creates a token with which one machine joins; `authority` is the hash of the registry's certificate authority. Throws
 * HostInputError and HostError.
 */
export async function createJoinToken(
  hosts: Pick<HostStore, 'createToken'>,
  terms: {
    readonly labels: Readonly<Record<string, string>>;
    readonly createdBy: string;
    readonly authority: Buffer | undefined;
  },
) {
  const labels = parseLabels(terms.labels);
  const secret = randomBytes(JOIN_SECRET_BYTES);
  const id = makeId();
  const expiresAt = new Date(Date.now() + TOKEN_LIFE);
  const { createdBy } = terms;
  await hosts.createToken({
    id,
    labels,
    expiresAt,
    createdBy,
    secretHash: hashSecret(formatJoinToken(secret)),
  });
  return { id, token: formatJoinToken(secret, terms.authority), labels, expiresAt: expiresAt.toISOString() };
}

export function unknownHost(name: string): EntryUnknownError {
  return new EntryUnknownError(`there is no host named ${JSON.stringify(name.slice(0, 80))}`);
}

function appsOf({ reports }: ReportedHost): readonly string[] {
  return reports.map(({ app }) => app);
}

/** Returns a host in the form of the management API. */
export function hostView(host: ReportedHost) {
  const { id, name, labels, draining, facts, joinedAt, seenAt } = host;
  return {
    id,
    name,
    state: hostState(host, Date.now()),
    labels,
    draining,
    facts,
    joinedAt: joinedAt.toISOString(),
    seenAt: seenAt?.toISOString() ?? null,
    apps: appsOf(host),
  };
}
