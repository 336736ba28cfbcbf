import { trimEndOf } from '../../../lib/pattern/trim.ts';
import type { PathStat } from '../../containers/files/container-archive.ts';

/** The value of X-Docker-Container-Path-Stat: base64 of JSON. */
export function pathStatHeader({ name, size, mode, mtime, linkTarget }: PathStat): string {
  const text = JSON.stringify({ name, size, mode, mtime: goTime(mtime), linkTarget });
  return Buffer.from(text).toString('base64');
}

/** RFC 3339 in UTC with as many digits of a second as are needed. */
function goTime(nanoseconds: bigint): string {
  const second = 1_000_000_000n;
  const rest = ((nanoseconds % second) + second) % second;
  const whole = new Date(Number((nanoseconds - rest) / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = rest === 0n ? '' : `.${trimEndOf(String(rest).padStart(9, '0'), '0')}`;
  return `${whole}${fraction}Z`;
}
