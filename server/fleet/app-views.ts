import { hostState, type ReportedHost } from '../../fleet/host.ts';
import { type App, RELEASE_STATES, type Release, type ReleaseState } from '../../fleet/release.ts';
import { APP_PHASES } from '../../fleet/report.ts';
import { hasEnded, intentOf, type Rollout } from '../../fleet/rollout.ts';
import { integer, list, nullable, object, oneOf, optional, record, text, timestamp } from '../api/schema.ts';

const IMAGE = object(
  {
    registry: optional(text({ description: 'Absent: this registry' })),
    repository: text(),
    tag: optional(text()),
    digest: text(),
  },
  { title: 'PinnedImage' },
);
const IMAGES = record(IMAGE, { description: 'By service' });

export const APP = object(
  {
    name: text(),
    on: list(text(), { description: 'Constraints on labels of hosts, such as role=web' }),
    follow: oneOf(['off', 'following', 'held']),
    latest: integer({ description: 'Number of the newest release' }),
    current: nullable(integer({ description: 'The release that was last healthy everywhere' })),
    state: oneOf(RELEASE_STATES),
    createdAt: timestamp(),
  },
  { title: 'App' },
);

const CAUSE = object(
  {
    kind: oneOf(['deploy', 'push', 'rollback', 'secret', 'restart', 'scale']),
    by: text(),
    repository: optional(text()),
    tag: optional(text()),
    to: optional(integer()),
    secret: optional(text()),
    service: optional(text()),
    replicas: optional(integer()),
  },
  { title: 'ReleaseCause' },
);

export const RELEASE = object(
  {
    app: text(),
    release: integer(),
    state: oneOf(RELEASE_STATES),
    cause: CAUSE,
    createdAt: timestamp(),
    endedAt: nullable(timestamp()),
    reason: nullable(text()),
    images: IMAGES,
  },
  { title: 'Release' },
);

export const INSTANCE = object(
  {
    host: text(),
    service: text(),
    instance: integer(),
    container: text(),
    image: text({ description: 'The digest' }),
    release: integer(),
    state: text(),
    health: text(),
    exitCode: nullable(integer()),
    restarts: integer(),
  },
  { title: 'Instance' },
);

export const PLAN = object(
  {
    images: IMAGES,
    hosts: list(
      object({
        host: text(),
        services: list(
          object({
            service: text(),
            instances: integer(),
            change: oneOf(['start', 'replace', 'keep', 'stop']),
          }),
        ),
      }),
    ),
  },
  { title: 'Plan' },
);

const HOST_PROGRESS = object({
  host: text(),
  wave: integer({ description: 'From 1' }),
  state: text({ description: 'Of the host: online, offline, unknown, draining' }),
  wanted: nullable(integer({ description: 'The release that it should run' })),
  phase: nullable(oneOf(APP_PHASES)),
  release: nullable(integer({ description: 'The release of the phase' })),
  reason: nullable(text()),
  instances: list(INSTANCE),
});

export const ROLLOUT = object(
  {
    revision: text({ description: 'For the parameter after' }),
    release: integer(),
    state: oneOf(RELEASE_STATES),
    reason: nullable(text()),
    wave: integer(),
    waves: integer(),
    hosts: list(HOST_PROGRESS),
  },
  { title: 'Rollout' },
);

/** Returns an app; `state` is that of the latest release. */
export function shownApp(app: App, state: ReleaseState = 'done') {
  const { createdAt, current = null, follow, name } = app;
  return {
    name,
    on: app.on.map(({ key, operator, value }) => `${key}${operator === '==' ? '=' : '!='}${value}`),
    follow,
    latest: app.latest,
    current,
    state,
    createdAt: createdAt.toISOString(),
  };
}

export function shownRelease({ app, cause, createdAt, endedAt, images, number, reason, state }: Release) {
  return {
    app,
    release: number,
    state,
    cause,
    createdAt: createdAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    reason: reason ?? null,
    images,
  };
}

/** Returns the instances of an app on a host, as last reported. */
export function instancesOn({ name, reports }: ReportedHost, app: string) {
  const report = reports.find((one) => one.app === app);
  return (report?.instances ?? []).map((one) => ({
    host: name,
    service: one.service,
    instance: one.instance,
    container: one.container,
    image: one.image,
    release: one.release,
    state: one.state,
    health: one.health,
    exitCode: one.exitCode ?? null,
    restarts: one.restarts,
  }));
}

/** Returns the progress of a rollout, host by host in the order of its waves. */
export function shownRollout(
  rollout: Rollout,
  release: Pick<Release, 'state' | 'reason' | 'endedAt'> | undefined,
  hosts: readonly ReportedHost[],
  now: number,
) {
  const isRecorded = rollout.kind === 'moving' || !hasEnded(rollout) || release?.endedAt !== undefined;
  return {
    release: rollout.release,
    // The end counts only once the history has recorded it.
    state: isRecorded ? (release?.state ?? rollout.phase) : ('rolling' as const),
    reason: release?.reason ?? rollout.reason ?? null,
    wave: rollout.wave + 1,
    waves: rollout.waves.length,
    hosts: rollout.waves.flatMap((ids, wave) =>
      ids.flatMap((id) => {
        const host = hosts.find((one) => one.id === id);
        if (host === undefined) return [];
        const report = host.reports.find(({ app }) => app === rollout.app);
        const intent = intentOf(rollout, id);
        return {
          host: host.name,
          wave: wave + 1,
          state: hostState(host, now),
          wanted: intent.kind === 'run' ? intent.release : null,
          phase: report?.phase ?? null,
          release: report?.release ?? null,
          reason: report?.reason ?? null,
          instances: instancesOn(host, rollout.app),
        };
      }),
    ),
  };
}
