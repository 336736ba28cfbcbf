import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { MAX_SECRET } from '../../storage/fleet/secrets-key.ts';
import { type Route, route } from '../api/route.ts';
import { integer, list, nullable, object, text, timestamp } from '../api/schema.ts';
import { APP_MAINTAINERS, APP_READERS, appOf, byOf } from './app-access.ts';
import { APP_PARAMETER, type AppRoutesDependencies, changeTerms, REFUSALS, TIMEOUT } from './app-terms.ts';

const SECRET = object(
  { name: text(), version: integer(), createdAt: timestamp(), createdBy: text() },
  { title: 'AppSecret' },
);
const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/;

/** Secrets of apps: set and named, never shown. */
export function secretRoutes({
  apps,
  deployments,
  secretsKey,
}: Pick<AppRoutesDependencies, 'apps' | 'deployments' | 'secretsKey'>): readonly Route[] {
  const params = { ...APP_PARAMETER, name: 'Name of the secret' };
  return [
    route({
      method: 'GET',
      path: '/apps/{app}/secrets',
      id: 'listAppSecrets',
      summary: 'Names and versions of the secrets of an app; never their values',
      access: APP_READERS,
      area: 'apps',
      params: APP_PARAMETER,
      answer: object({ secrets: list(SECRET) }),
      async handle({ ctx }) {
        const secrets = await apps.secrets(appOf(ctx));
        return {
          secrets: secrets.map(({ createdAt, createdBy, name, version }) => ({
            name,
            version,
            createdAt: createdAt.toISOString(),
            createdBy,
          })),
        };
      },
    }),
    route({
      method: 'PUT',
      path: '/apps/{app}/secrets/{name}',
      id: 'setAppSecret',
      summary: 'Set a secret',
      description: 'If the latest release of the app uses it, a release brings it to the hosts.',
      access: APP_MAINTAINERS,
      area: 'apps',
      params,
      body: object(
        { value: text({ format: 'byte', description: 'In base64', writeOnly: true }), timeout: TIMEOUT },
        { title: 'SecretValue' },
      ),
      bodyLimit: 2 * MAX_SECRET,
      answer: object({ version: integer(), release: nullable(integer()) }),
      errors: REFUSALS,
      async handle({ ctx, params: { name }, body }) {
        const app = appOf(ctx);
        if (!SECRET_NAME.test(name)) {
          throw new SettingInvalidError(
            'the name of a secret consists of letters, digits and _ . -, such as DB_PASSWORD',
          );
        }
        const sealed = await secretsKey.seal(secretOf(body.value));
        const secret = { name, sealed, createdAt: new Date(), createdBy: byOf(ctx) };
        const version = await apps.setSecret(app, secret);
        const release = await deployments.useSecret(app, name, version, changeTerms(ctx, body.timeout));
        return { version, release: release?.number ?? null };
      },
    }),
    route({
      method: 'DELETE',
      path: '/apps/{app}/secrets/{name}',
      id: 'removeAppSecret',
      summary: 'Remove a secret with all of its versions',
      access: APP_MAINTAINERS,
      area: 'apps',
      params,
      errors: { 404: 'There is no such secret', 409: 'A release that runs uses it' },
      async handle({ ctx, params: { name } }) {
        const app = appOf(ctx);
        if (!(await apps.removeSecret(app, name)))
          throw new EntryUnknownError(`${app} has no secret ${name}`);
      },
    }),
  ];
}

function secretOf(value: string): Buffer {
  const secret = Buffer.from(value, 'base64');
  const text = secret.toString('base64');
  if (secret.length === 0 || (value !== text && value !== text.replaceAll('=', ''))) {
    throw new SettingInvalidError('"value" must be base64 of at least one byte');
  }
  if (secret.length > MAX_SECRET) throw new SettingInvalidError(`a secret has at most ${MAX_SECRET} bytes`);
  return secret;
}
