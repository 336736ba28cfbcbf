import type { HostConfig } from '../container.ts';

/** In dockerd's order, which inspect shows and programs compare. */
const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The paths that a container may not read, or not write; null where it is privileged and says nothing of them. */
export function hiddenPaths(hostConfig: Pick<HostConfig, 'Privileged' | 'MaskedPaths' | 'ReadonlyPaths'>): {
  readonly masked: readonly string[] | null;
  readonly readonly: readonly string[] | null;
} {
  const { Privileged: privileged, MaskedPaths: masked, ReadonlyPaths: readonly } = hostConfig;
  return {
    masked: masked ?? (privileged ? null : MASKED),
    readonly: readonly ?? (privileged ? null : READONLY),
  };
}
