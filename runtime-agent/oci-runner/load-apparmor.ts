import { access, readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { runProcess } from '../../lib/linux/process/run-process.ts';
import { DEFAULT_PROFILE, DEFAULT_PROFILE_TEXT } from './apparmor.ts';

const ENABLED = '/sys/module/apparmor/parameters/enabled';
const POLICY = '/sys/kernel/security/apparmor';
/** The program of the package apparmor that loads profiles. */
export const PARSER = 'apparmor_parser';

const TIMEOUT = 60_000;

/** Whether this process may confine others with AppArmor: the kernel has it on, and this is no container itself. */
export async function hasApparmor(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  if (environment.container !== undefined && environment.container !== '') return false;
  const enabled = await readFile(ENABLED, 'latin1').catch(() => 'N');
  if (!enabled.startsWith('Y')) return false;
  return access(POLICY).then(
    () => true,
    () => false,
  );
}

/**
 * Loads the profile of containers into the kernel, in place of an older one, and answers its name; undefined where the host has
 * no AppArmor or no parser; a missing parser is logged. Throws an Error with a sentence if the profile cannot be
 * loaded: containers do not run without it on a host with AppArmor.
 */
export async function loadApparmor(
  log: Logger,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (!(await hasApparmor(environment))) return undefined;
  let failure: string;
  try {
    // Without cache: the profile is small, and a cache would have to be invalidated.
    const args = ['--skip-cache', '--replace', '--quiet'];
    const input = Buffer.from(DEFAULT_PROFILE_TEXT);
    const ran = await runProcess(PARSER, args, { input, timeout: TIMEOUT });
    if (ran.exitCode === 0) return DEFAULT_PROFILE;
    failure = ran.stderr.trim().slice(0, 500);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    log.warn('AppArmor is on, but containers are not confined by it: install the package apparmor');
    return undefined;
  }
  throw new Error(`the AppArmor profile ${DEFAULT_PROFILE} cannot be loaded: ${failure}`);
}
