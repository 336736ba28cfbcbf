import { asksBefore } from '../api-version.ts';

export const RAW_STREAM = 'application/vnd.docker.raw-stream';

/** The Content-Type of attach, exec and logs: raw bytes of a terminal, or frames of two streams, which had no type of their own before API 1.42. */
export function streamContentType(tty: boolean, apiVersion: string): string {
  const isRaw = tty || asksBefore({ state: { apiVersion } }, '1.42');
  return isRaw ? RAW_STREAM : 'application/vnd.docker.multiplexed-stream';
}
