import type { Router } from '@koa/router';
import { Pace } from '../../../lib/sync/pace.ts';
import type { ContainerInfo } from '../../containers/container-info.ts';
import type { Containers } from '../../containers/containers.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { Images } from '../../images/images.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { type Filters, matchLabels, readFilters, textFilter } from '../http/filters.ts';
import { answerJson, jsonList } from '../http/json.ts';
import { queryBoolean, queryInteger } from '../http/query.ts';
import { containerSummary, namesByLinks } from '../views/container-summary.ts';
import { fixedNetworks, portList } from '../views/network-settings.ts';
import { isUp, shownStatus } from '../views/status-text.ts';
import { listedSizes, unlessGone } from './container-sizes.ts';
import { imageNames } from './shown-image.ts';

const KNOWN_FILTERS = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];
const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];
const STATUSES = ['created', 'dead', 'exited', 'paused', 'removing', 'restarting', 'running'];

/** `GET /containers/json`: newest first, by default only running ones (Engine API, ContainerList). */
export function containerListRoutes(router: Router, deps: EngineDeps): void {
  router.get('/containers/json', async (ctx) => {
    const query = ctx.URL.searchParams;
    const filters = readFilters(query, KNOWN_FILTERS);
    checkValues(filters);
    const limit = queryInteger(query, 'limit') ?? 0;
    const all =
      queryBoolean(query, 'all') ||
      limit > 0 ||
      ['status', 'exited', 'before', 'since'].some((key) => filters.has(key));
    const known = await deps.containers.list();
    const linkNames = namesByLinks(known);
    const imageName = imageNames(deps.images);
    const fixed = fixedNetworks(deps.networks);
    const selected = await select(known, filters, deps);
    const shown = selected.filter(({ state }) => all || isUp(state));
    const now = Date.now();
    const sized = queryBoolean(query, 'size') ? deps.files : undefined;
    async function* summaries(): AsyncGenerator<object> {
      for (const container of limit > 0 ? shown.slice(0, limit) : shown) {
        const sizes = sized === undefined ? {} : await listedSizes(deps, sized, container).catch(unlessGone);
        if (sizes === undefined) continue;
        const image = await imageName(container);
        const summary = containerSummary(container, now, {
          image,
          linkNames: linkNames.get(container.id),
          fixed,
        });
        yield { ...summary, ...sizes };
      }
    }
    await answerJson(ctx, jsonList(summaries()));
  });
}

function checkValues(filters: Filters): void {
  for (const status of filters.get('status') ?? []) {
    if (!STATUSES.includes(status)) {
      throw new EngineError('bad-request', `invalid filter 'status=${status.slice(0, 80)}'`);
    }
  }
  for (const health of filters.get('health') ?? []) {
    if (!HEALTHS.includes(health)) {
      throw new EngineError('bad-request', `unrecognized filter value for health: ${health.slice(0, 80)}`);
    }
  }
  checkPorts(filters, 'expose');
  checkPorts(filters, 'publish');
  for (const code of filters.get('exited') ?? []) {
    if (!/^[+-]?\d{1,9}$/.test(code)) {
      const shown = code.slice(0, 80);
      throw new EngineError(
        'bad-request',
        `invalid filter 'exited=${shown}': strconv.Atoi: parsing ${JSON.stringify(shown)}: invalid syntax`,
      );
    }
  }
}

function checkPorts(filters: Filters, key: 'expose' | 'publish'): void {
  for (const value of filters.get(key) ?? []) {
    if (/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/i.test(value)) continue;
    const shown = value.slice(0, 80);
    throw new EngineError(
      'bad-request',
      `error while looking up for ${key} ${shown}: strconv.ParseUint: parsing ${JSON.stringify(shown)}: invalid syntax`,
    );
  }
}

async function select(
  all: readonly ContainerInfo[],
  filters: Filters,
  deps: { readonly containers: Containers; readonly images: Images },
): Promise<readonly ContainerInfo[]> {
  const position = async (key: string) => {
    const ref = filters.get(key)?.[0];
    if (ref === undefined) return undefined;
    const { id } = await deps.containers.get(ref);
    return all.findIndex((container) => container.id === id);
  };
  // The list is newest first, so containers created before another one follow it.
  const before = (await position('before')) ?? -1;
  const since = (await position('since')) ?? all.length;
  const ancestors = await ancestorIds(filters.get('ancestor'), deps.images);
  const any = (key: string, holds: (value: string) => boolean) => filters.get(key)?.some(holds) ?? true;
  const pace = new Pace();
  const hasName = textFilter(filters, 'name') ?? (() => true);
  return await pace.filter(all, (container, index) => {
    const { state, name, id } = container;
    return (
      index > before &&
      index < since &&
      any('id', (value) => id.startsWith(value)) &&
      (hasName(name, pace) || hasName(`/${name}`, pace)) &&
      any('status', (value) => shownStatus(state) === value) &&
      any('exited', (value) => state.status === 'exited' && state.exitCode === Number(value)) &&
      any('ancestor', () => ancestors.has(container.imageId)) &&
      any('network', (value) => isIn(container, value)) &&
      any('health', (value) => value === (state.health?.Status ?? 'none')) &&
      any('is-task', (value) => value === 'false' || value === '0') &&
      any('isolation', (value) => value === 'default') &&
      any('expose', (value) => exposes(container, value)) &&
      any('publish', (value) => publishes(container, value)) &&
      any('volume', (value) => hasVolume(container, value)) &&
      matchLabels(filters.get('label'), container.config.Labels)
    );
  });
}

/** Matches the name of a volume, the host path of a bind, or the path in the container. */
function hasVolume({ mounts }: ContainerInfo, value: string): boolean {
  return mounts.some(({ name, source, destination }) => (name ?? source) === value || destination === value);
}

/** Matches by name or ID, whether it runs or not. */
function isIn(container: ContainerInfo, network: string): boolean {
  return (
    Object.hasOwn(container.networks, network) ||
    (container.activeNetwork?.endpoints.some(({ network: { id } }) => id === network) ?? false) ||
    (container.hostConfig.NetworkMode === network && ['host', 'none'].includes(network))
  );
}

/** Matches published ports by their number on the host, as with dockerd. */
function publishes(container: ContainerInfo, value: string): boolean {
  return (container.activeNetwork?.ports ?? []).some(({ hostPort, protocol }) =>
    isPort(value, hostPort, protocol),
  );
}

/** Matches the ports that are shown: those of a container that runs in a network. */
function exposes(container: ContainerInfo, value: string): boolean {
  return portList(container).some(({ PrivatePort, Type }) => isPort(value, PrivatePort, Type));
}

/** Matches `80`, `80/udp` or `80-90`. */
function isPort(wanted: string, port: number, protocol: string): boolean {
  const [range = '', wantedProtocol = 'tcp'] = wanted.split('/');
  const [from, to = from] = range.split('-').map(Number);
  return protocol === wantedProtocol && from !== undefined && to !== undefined && from <= port && port <= to;
}

async function ancestorIds(
  names: readonly string[] | undefined,
  images: Images,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const name of names ?? []) {
    try {
      ids.add((await images.get(name)).id);
    } catch (error) {
      if (!(isEngineError(error) && error.code === 'not-found')) throw error;
    }
  }
  return ids;
}
