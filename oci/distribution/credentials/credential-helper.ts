import { runProcess } from '../../../lib/linux/process/run-process.ts';
import { DistributionError } from '../errors.ts';
import type { RegistryCredentials } from './registry-credentials.ts';

/** Timeout of a helper, milliseconds: some query the services of a cloud. */
const PATIENCE = 30_000;
/** The user name with which a helper marks an identity token. */
const TOKEN_USER = '<token>';

/**
 * Runs `docker-credential-NAME get` for a server (docker-credential-helpers, "Development"); returns undefined when it
 * has no credentials. Throws DistributionError 'registry', which quotes nothing of the helper's standard output.
 */
export async function askHelper(
  name: string,
  server: string,
  signal: AbortSignal,
): Promise<RegistryCredentials | undefined> {
  const program = `docker-credential-${name}`;
  const failed = (why: string, cause?: unknown) =>
    new DistributionError('registry', `the credential helper ${program} failed for ${server}: ${why}`, {
      cause,
    });
  // The name becomes part of a path.
  if (!/^[A-Za-z0-9._-]+$/.test(name)) throw failed('its name may have letters, digits and - _ . only');
  let result: Awaited<ReturnType<typeof runProcess>>;
  try {
    result = await runProcess(program, ['get'], { input: Buffer.from(server), timeout: PATIENCE, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw failed(
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not installed' : `${error}`,
      error,
    );
  }
  if (result.timedOut) throw failed(`it took more than ${PATIENCE / 1000} seconds`);
  if (result.exitCode !== 0) {
    if (/credentials not found/i.test(result.stdout)) return undefined;
    throw failed(result.stderr.trim().slice(0, 300) || `it exited with code ${result.exitCode}`);
  }
  const { Username, Secret } = readAnswer(result.stdout) ?? {};
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw failed('its answer does not follow the protocol');
  return Username === TOKEN_USER ? { identityToken: Secret } : { username: Username, password: Secret };
}

function readAnswer(text: string): { readonly Username?: unknown; readonly Secret?: unknown } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
