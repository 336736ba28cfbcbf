import { parseLimits } from '../../auth/administration/limits.ts';
import type { CredentialTerms, MadeCredential } from '../../auth/administration/make-credential.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { parseDuration } from '../config/duration.ts';
import type { ActionInput } from './accounts-command.ts';

/** Options of commands that create a secret. */
export const CREDENTIAL_OPTIONS = {
  expires: { type: 'string' },
  kubernetes: { type: 'boolean' },
  namespace: { type: 'string' },
  'secret-name': { type: 'string' },
  server: { type: 'string' },
} as const;

export const SCOPE_OPTION = { scope: { type: 'string', multiple: true } } as const;

const USUAL_LIFE = '90d';

/** Throws ConfigError, SettingInvalidError. */
export function termsOf({ option, options }: ActionInput): CredentialTerms {
  const scopes = options('scope');
  const expiresAt = endOf(option('expires') ?? USUAL_LIFE);
  return {
    ...(scopes.length > 0 && { limits: parseLimits(scopes) }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** Prints the secret alone, or the Secret of Kubernetes that contains it. Throws ConfigError. */
export function printSecret(input: ActionInput, user: string, { secret }: MadeCredential): void {
  const { flag, print, tell } = input;
  if (!flag('kubernetes')) {
    tell(`The secret, which is not shown again, for the user ${user}:`);
    print(secret);
    return;
  }
  print(pullSecret({ ...kubernetesOptions(input), user, secret }));
}

/** Must be called before a secret is made. Throws ConfigError when the options contradict each other. */
export function kubernetesOptions({ option, flag }: ActionInput) {
  const server = option('server');
  if (flag('kubernetes') !== (server !== undefined)) {
    throw new ConfigError(
      '--kubernetes needs --server HOST[:PORT], the start of image names, and vice versa',
    );
  }
  const name = option('secret-name') ?? 'berth';
  const namespace = option('namespace');
  for (const text of [name, ...(namespace === undefined ? [] : [namespace])]) {
    if (!/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(text)) {
      throw new ConfigError(
        `"${text}" is not a valid name in Kubernetes: use lower-case letters, digits, . and -`,
      );
    }
  }
  if (server !== undefined && !/^[A-Za-z0-9.[\]:_-]+$/.test(server)) {
    throw new ConfigError(`"${server}" is not the start of an image name: write HOST or HOST:PORT`);
  }
  return { server: server ?? '', name, ...(namespace !== undefined && { namespace }) };
}

function endOf(text: string): Date | undefined {
  if (text === 'never') return undefined;
  const life = parseDuration(text);
  if (life === undefined || life === 0) {
    throw new ConfigError(`"${text}" is not a token lifetime: write 90d, 12h, or never`);
  }
  return new Date(Date.now() + life);
}

interface PullSecret {
  /** As at the start of image names: `HOST` or `HOST:PORT`. */
  readonly server: string;
  /** Name of the Secret. */
  readonly name: string;
  readonly namespace?: string;
  readonly user: string;
  readonly secret: string;
}

/**
 * The manifest of a Secret of the type kubernetes.io/dockerconfigjson, for `imagePullSecrets` (Kubernetes, "Pull an
 * Image from a Private Registry").
 */
function pullSecret({ server, name, namespace, user, secret }: PullSecret): string {
  const auth = Buffer.from(`${user}:${secret}`).toString('base64');
  const config = JSON.stringify({ auths: { [server]: { username: user, password: secret, auth } } });
  return [
    'apiVersion: v1',
    'kind: Secret',
    'metadata:',
    `  name: ${name}`,
    ...(namespace === undefined ? [] : [`  namespace: ${namespace}`]),
    'type: kubernetes.io/dockerconfigjson',
    'data:',
    `  .dockerconfigjson: ${Buffer.from(config).toString('base64')}`,
  ].join('\n');
}
