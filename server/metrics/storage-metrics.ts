import { X509Certificate } from 'node:crypto';
import type { AppStore } from '../../fleet/app-store.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { fileSystemSpace } from '../../lib/files/file-system-space.ts';
import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import type { BrowseCatalog } from '../../storage/catalog/browse/browse-catalog.ts';

/** Maximum series of rollouts; rarely more than a few run at a time. */
const MOST_ROLLOUTS = 100;

/** What is read for each scrape. */
export interface StoredParts {
  /** The data folder. */
  readonly data: string;
  readonly browse: Pick<BrowseCatalog, 'sum'>;
  readonly readOnly: boolean;
  /** Returns PEM; undefined without TLS. */
  readonly certificate: () => string | undefined;
}

/** Adds metrics of the stored content, and of free space. */
export function exposeStorage(set: MetricSet, { data, browse, readOnly, certificate }: StoredParts): void {
  set.gauge({ name: 'berth_read_only', help: '1 when nobody may change anything (--read-only).' }, () =>
    readOnly ? 1 : 0,
  );
  set.sampled(
    {
      free: { name: 'berth_data_free_bytes', help: 'Free bytes on the file system of the data folder.' },
      size: { name: 'berth_data_size_bytes', help: 'Size of the file system of the data folder.' },
      inodes: { name: 'berth_data_free_inodes', help: 'Free inodes on it.' },
    },
    async () => {
      const { size, free, freeInodes } = await fileSystemSpace(data);
      return { free: [{ value: free }], size: [{ value: size }], inodes: [{ value: freeInodes }] };
    },
  );
  set.sampled(
    {
      repositories: { name: 'berth_repositories', help: 'Repositories with content.' },
      bytes: {
        name: 'berth_repositories_bytes',
        help: 'Total size of all repositories; a layer counts once in each that has it.',
      },
    },
    async () => {
      const { repositories, size } = await browse.sum({ patterns: [], includes: () => true });
      return { repositories: [{ value: repositories }], bytes: [{ value: size }] };
    },
  );
  set.sampled(
    {
      expiry: {
        name: 'berth_certificate_expiry_time_seconds',
        help: 'Expiry of the certificate, in seconds since 1970; absent without TLS.',
      },
    },
    async () => {
      const pem = certificate();
      if (pem === undefined) return { expiry: [] };
      return { expiry: [{ value: Date.parse(new X509Certificate(pem).validTo) / 1000 }] };
    },
  );
}

/** Adds hosts by their states, and the rollouts that have not ended. */
export function exposeFleet(
  set: MetricSet,
  { hosts, apps }: { readonly hosts: HostStore; readonly apps: AppStore },
): void {
  set.sampled(
    {
      hosts: { name: 'berth_fleet_hosts', help: 'Hosts, by state.' },
      rollouts: {
        name: 'berth_fleet_rollout_start_time_seconds',
        help: 'Creation time of the release of each unfinished rollout, by app.',
      },
    },
    async () => {
      const going = (await apps.rollouts({ going: true })).slice(0, MOST_ROLLOUTS);
      const releases = await apps.findReleases(going.map(({ app, release }) => ({ app, number: release })));
      const states = Object.entries(await hosts.countStates(new Date()));
      return {
        hosts: states.map(([state, value]) => ({ labels: { state }, value })),
        rollouts: releases.map(({ app, createdAt }) => ({
          labels: { app },
          value: createdAt.getTime() / 1000,
        })),
      };
    },
  );
}
