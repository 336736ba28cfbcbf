import type { AppStore } from '../../fleet/app-store.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import type { Digest } from '../../oci/digest.ts';
import type { RunningView } from './browse.ts';

export interface FleetStores {
  readonly apps: Pick<AppStore, 'holders'>;
  readonly hosts: Pick<HostStore, 'list'>;
}

export interface Running {
  readonly shown: readonly RunningView[];
  /** Whether a release of any app runs it. */
  readonly isHeld: boolean;
  /** Tags by which running releases refer to it. */
  readonly tags: readonly string[];
}

/**
 * Returns the releases with an image, and the hosts that run them; `mayPull` reports which apps the visitor may see.
 */
export async function runningOf(
  { apps, hosts }: FleetStores,
  repository: string,
  digest: Digest,
  mayPull: (app: string) => boolean,
): Promise<Running> {
  const holders = await apps.holders(digest, repository);
  const running = holders.filter(({ runs }) => runs);
  const isHeld = running.length > 0;
  const tags = running.flatMap(({ tag }) => tag ?? []);
  const seen = holders.filter(({ app }) => mayPull(app));
  if (seen.length === 0) return { shown: [], isHeld, tags };
  const reported = await hosts.list([...new Set(seen.map(({ app }) => app))]);
  const shown = seen.map(({ app, release, service, runs }) => ({
    app,
    release,
    service,
    runs,
    hosts: reported
      .filter(({ reports }) =>
        reports.some(
          (report) =>
            report.app === app &&
            report.instances.some(
              (one) => one.release === release && one.service === service && one.state === 'running',
            ),
        ),
      )
      .map(({ name }) => name),
  }));
  return { shown, isHeld, tags };
}
