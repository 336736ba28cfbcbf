import { runProcess } from '../../../lib/linux/process/run-process.ts';
import { DistributionError } from '../errors.ts';
import type { RegistryCredentials } from './registry-credentials.ts';

/** Milliseconds that a helper may take: some ask the services of a cloud. */
const PATIENCE = 30_000;
/** The user name by which a helper says that the secret is an identity token. */
const TOKEN_USER = '<token>';

/**
 * Asks `docker-credential-NAME` for what it has of a server (docker-credential-helpers, "Development"); undefined where it has
 * nothing. Throws DistributionError 'registry', which repeats nothing of what the helper said on its standard output.
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
  // Its name becomes part of a path.
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
    throw failed(result.stderr.trim().slice(0, 300) || `it ended with ${result.exitCode}`);
  }
  const { Username, Secret } = readAnswer(result.stdout) ?? {};
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw failed('its answer is not what helpers say');
  return Username === TOKEN_USER ? { identityToken: Secret } : { username: Username, password: Secret };
}

function readAnswer(text: string): { readonly Username?: unknown; readonly Secret?: unknown } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
