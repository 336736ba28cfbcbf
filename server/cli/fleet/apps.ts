import type { Cause } from '../../../fleet/release.ts';
import { confirm } from '../confirm.ts';
import { ago, type Column, FORMAT_OPTION, parseFormat, printRows, shortDigest } from '../remote/table.ts';
import { appPath } from './door.ts';
import { type FleetCommand, runFleetCommand } from './fleet-command.ts';
import { numberOf } from './rollouts.ts';
import type { AppView, InstanceView, ReleaseView } from './views.ts';

const USUAL_LIMIT = 50;

const APP_COLUMNS: readonly Column<AppView>[] = [
  { head: 'APP', cell: ({ name }) => name },
  { head: 'RELEASE', cell: ({ latest }) => String(latest) },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'RUNS', cell: ({ current }) => (current === null ? '' : String(current)) },
  { head: 'FOLLOW', cell: ({ follow }) => follow },
  { head: 'CREATED', cell: ({ createdAt }) => ago(createdAt) },
];

const INSTANCE_COLUMNS: readonly Column<InstanceView>[] = [
  { head: 'HOST', cell: ({ host }) => host },
  { head: 'SERVICE', cell: ({ service }) => service },
  { head: 'INSTANCE', cell: ({ instance }) => String(instance) },
  { head: 'IMAGE', cell: ({ image }) => shortDigest(image) },
  { head: 'RELEASE', cell: ({ release }) => String(release) },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'HEALTH', cell: ({ health }) => health },
];

const RELEASE_COLUMNS: readonly Column<ReleaseView>[] = [
  { head: 'RELEASE', cell: ({ release }) => String(release) },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'CAUSE', cell: ({ cause }) => describeCause(cause) },
  { head: 'CREATED', cell: ({ createdAt }) => ago(createdAt) },
  {
    head: 'IMAGES',
    cell: ({ images }) =>
      Object.entries(images)
        .map(([service, { digest }]) => `${service}=${shortDigest(digest)}`)
        .join(' '),
  },
  { head: 'REASON', cell: ({ reason }) => reason ?? '' },
];

const APPS: FleetCommand = {
  usage: 'apps',
  local: true,
  options: FORMAT_OPTION,
  run: async ({ door, option }) => {
    const format = parseFormat(option('format'));
    printRows(format, await (await door()).apps(), APP_COLUMNS);
  },
};

const PS: FleetCommand = {
  usage: 'ps APP',
  local: true,
  options: FORMAT_OPTION,
  run: async ({ door, option, words: [app = ''] }) => {
    const format = parseFormat(option('format'));
    printRows(format, await (await door()).instances(app), INSTANCE_COLUMNS);
  },
};

const HISTORY: FleetCommand = {
  usage: 'history APP',
  local: true,
  options: { ...FORMAT_OPTION, limit: { type: 'string' }, before: { type: 'string' } },
  run: async ({ door, option, words: [app = ''] }) => {
    const format = parseFormat(option('format'));
    const limit = option('limit');
    const before = option('before');
    const page = {
      limit: limit === undefined ? USUAL_LIMIT : numberOf(limit, '--limit'),
      ...(before !== undefined && { before: numberOf(before, '--before') }),
    };
    printRows(format, await (await door()).releases(app, page), RELEASE_COLUMNS);
  },
};

const FOLLOW: FleetCommand = {
  usage: 'follow APP',
  options: { off: { type: 'boolean' } },
  run: async ({ api, flag, words: [app = ''] }) => {
    await (await api()).call('POST', appPath(app, 'follow'), { body: { follow: !flag('off') } });
  },
};

const RM: FleetCommand = {
  usage: 'rm APP',
  options: { yes: { type: 'boolean' } },
  run: async ({ api, flag, tell, words: [app = ''] }) => {
    const opened = await api();
    if (!flag('yes') && !(await isSure(app))) {
      tell(`${app} was not removed`);
      return 1;
    }
    await opened.call('DELETE', appPath(app));
    return 0;
  },
};

/** `berth apps`: lists apps. */
export function apps(args: readonly string[]): Promise<number> {
  return runFleetCommand(APPS, args);
}

/** `berth ps`: lists the instances of an app. */
export function ps(args: readonly string[]): Promise<number> {
  return runFleetCommand(PS, args);
}

/** `berth history`: lists the releases of an app. */
export function history(args: readonly string[]): Promise<number> {
  return runFleetCommand(HISTORY, args);
}

/** `berth follow`: sets whether a pushed tag makes a release. */
export function follow(args: readonly string[]): Promise<number> {
  return runFleetCommand(FOLLOW, args);
}

/** `berth rm`: removes an app. */
export function rm(args: readonly string[]): Promise<number> {
  return runFleetCommand(RM, args);
}

function isSure(app: string): Promise<boolean> {
  const loss = `${app} from all of its hosts, with its releases and secrets`;
  return confirm(`Remove ${loss}? Volumes stay.`, `this removes ${loss}`);
}

/** Describes why a release was created, in a few words. */
export function describeCause(cause: Cause): string {
  const by = cause.by === '' ? '' : ` by ${cause.by}`;
  switch (cause.kind) {
    case 'deploy':
      return `deploy${by}`;
    case 'push':
      return `push of ${cause.repository}:${cause.tag}${by}`;
    case 'rollback':
      return `rollback to ${cause.to}${by}`;
    case 'secret':
      return `secret ${cause.secret}${by}`;
    case 'restart':
      return `restart${cause.service === undefined ? '' : ` of ${cause.service}`}${by}`;
    case 'scale':
      return `scale ${cause.service}=${cause.replicas}${by}`;
  }
}
