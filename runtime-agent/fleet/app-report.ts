import type { HostApp, HostContainer } from '../../fleet/host-plan/host-app.ts';
import type { AppPhase, AppReport, InstanceReport } from '../../fleet/report.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { Digest } from '../../oci/digest.ts';
import type { FoundInstance } from './read-app.ts';

/** Maximum characters of a reason. */
const LONGEST_REASON = 1000;

export interface ReportParts {
  readonly app: string;
  readonly target: AppTarget | undefined;
  readonly phase: AppPhase;
  readonly reason: string | undefined;
  readonly state: HostApp;
  readonly instances: readonly FoundInstance[];
  readonly prefetched: boolean;
}

/** Returns this host's report about an app. */
export function appReport(parts: ReportParts): AppReport {
  const { app, target, phase, reason, state, instances, prefetched } = parts;
  const shown = state.containers.filter((one) => !one.job && !isLeftOver(one));
  const jobs: Record<string, 'running' | number> = { ...state.jobs };
  for (const one of state.containers) {
    if (one.job && one.release === target?.release.number && one.state === 'running')
      jobs[one.service] ??= 'running';
  }
  return {
    app,
    release: target?.release.number ?? 0,
    attempt: target?.attempt ?? 0,
    phase,
    ...(reason !== undefined && { reason: reason.slice(0, LONGEST_REASON) }),
    instances: shown.flatMap((one) => {
      const found = instances.find(({ info }) => info.id === one.id);
      return found === undefined ? [] : [instanceReport(one, found)];
    }),
    jobs,
    prefetched,
  };
}

/** Reports whether the plan has stopped it, and keeps it only in case the attempt fails. */
function isLeftOver(one: HostContainer): boolean {
  return one.state === 'exited' && (one.stopped || one.discarded);
}

function instanceReport(one: HostContainer, { info }: FoundInstance): InstanceReport {
  const { state, config } = info;
  const started = Date.parse(state.startedAt);
  const isUp = one.state === 'running' || one.state === 'restarting';
  const health = state.health?.Status ?? (one.passed ? 'healthy' : 'starting');
  return {
    service: one.service,
    instance: one.instance,
    release: one.release,
    container: info.id,
    image: config.Image.slice(config.Image.indexOf('@') + 1) as Digest,
    state: one.draining && isUp ? 'draining' : info.state.status === 'paused' ? 'paused' : one.state,
    health: isUp ? health : 'unhealthy',
    ...(one.state === 'exited' && { exitCode: state.exitCode }),
    restarts: state.restartCount,
    ...(started > 0 && { startedAt: started }),
  };
}
