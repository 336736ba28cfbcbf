import type { ContainerState, ContainerStatus } from '../../containers/container-info.ts';

/** The Engine API's time for events that have not happened. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/**
 * Returns the status for clients: a container whose command could not be started has never run, so it still counts as
 * created, as in dockerd.
 */
export function shownStatus(state: ContainerState): ContainerStatus {
  return state.status === 'exited' && state.startedAt === ZERO_TIME ? 'created' : state.status;
}

/** Whether a container counts as running: `docker ps` shows it, and its image is in use. */
export function isUp(state: ContainerState): boolean {
  return ['running', 'paused', 'restarting'].includes(state.status);
}

/** The STATUS column of `docker ps` at `now`, milliseconds since 1970. */
export function statusText(state: ContainerState, now: number): string {
  switch (shownStatus(state)) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${since(state.startedAt, now)}${healthText(state)}`;
    case 'paused':
      return `Up ${since(state.startedAt, now)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt, now)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt, now)} ago`;
  }
}

function since(moment: string, now: number): string {
  return humanDuration(Math.max(0, now - Date.parse(moment)));
}

function healthText({ health }: ContainerState): string {
  if (health === undefined) return '';
  return health.Status === 'starting' ? ' (health: starting)' : ` (${health.Status})`;
}

/** Formats milliseconds in Docker's words: `About a minute`, `3 weeks` … */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
