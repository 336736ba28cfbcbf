import { type Setting, type SettingValues, settingsOf } from '../../lib/settings/settings.ts';
import { TRACE_SETTINGS } from '../../lib/tracing/start-tracing.ts';

const { text, list } = settingsOf('BERTH');

/** The settings of `berth serve`. */
export const SETTINGS = {
  listen: text('listen', 'HOST:PORT', 'address to listen on', '127.0.0.1:5000'),
  data: text(
    'data',
    'DIR',
    'folder that holds everything',
    '/var/lib/berth for root, otherwise $XDG_DATA_HOME/berth or ~/.local/share/berth',
  ),
  database: {
    ...text(
      'database',
      'URL',
      'keep catalog and accounts in the PostgreSQL database postgres://USER:PASSWORD@HOST:PORT/NAME, with ?sslmode=require or verify-full for TLS',
      'in the data folder',
    ),
    isSecret: 'url',
  },
  storage: {
    ...text(
      'storage',
      'URL',
      'keep blobs on S3, as s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST with pathStyle=true|false, publicEndpoint=https://HOST for redirects and partSize=8MiB where needed; credentials are found as the AWS tools find them',
      'in the data folder',
    ),
    isSecret: 'url',
  },
  redirect: list(
    'redirect',
    'RULE',
    'which clients fetch blobs from S3 themselves: never, always, or those of a network:10.0.0.0/8 or an agent:containerd/*; ! in front excludes them',
    'never',
  ),
  auth: text(
    'auth',
    'MODE',
    'accounts: people log in; none: open to all; token: tokens of another token server (see --token-issuer)',
    'accounts',
  ),
  challenge: text(
    'challenge',
    'KIND',
    'bearer: clients log in at the token server; basic: they send their password with each request, which they may always do',
    'bearer',
  ),
  tokenLife: text(
    'token-life',
    'TIME',
    'lifetime of a token, 1m to 60m; revoked access ends within it',
    '5m',
  ),
  tokenLimit: text(
    'token-limit',
    'NUMBER',
    'tokens per minute for one account, and five times as many for all clients without a login at one address; 0 for no limit',
    '6000',
  ),
  tokenService: list(
    'token-service',
    'NAME',
    "what tokens are for; give more than one, this registry's first, for others that verify them by /.well-known/jwks.json",
    'berth',
  ),
  tokenRealm: {
    ...text(
      'token-realm',
      'URL',
      'URL of the token server',
      '/token of this registry, by the name that the client uses',
    ),
    isSecret: 'url',
  },
  tokenIssuer: text('token-issuer', 'NAME', 'who issues the tokens', 'berth'),
  tokenJwks: {
    ...text('token-jwks', 'SOURCE', "with --auth token: the token server's keys, as a URL or a file"),
    isSecret: 'url',
  },
  tlsCert: text('tls-cert', 'FILE', 'serve HTTPS with this certificate and its chain, in PEM', 'plain HTTP'),
  tlsKey: text('tls-key', 'FILE', 'its private key; both files are read again when they change'),
  httpRedirect: text(
    'http-redirect',
    'HOST:PORT',
    'redirect clients of plain HTTP at this address to HTTPS',
    'off',
  ),
  hsts: text('hsts', 'on|off', 'tell browsers to use HTTPS only', 'on with a certificate'),
  logLevel: text('log-level', 'LEVEL', 'trace, debug, info, warn, error, fatal or silent', 'info'),
  metrics: text(
    'metrics',
    'HOST:PORT',
    'answer Prometheus at http://HOST:PORT/metrics, without a password; choose an address that clients do not reach',
    'off',
  ),
  page: text(
    'page',
    'on|off',
    'whether browsers find pages about repositories and accounts at /; other clients notice no difference',
    'on',
  ),
  deletes: text('deletes', 'on|off', 'whether tags, manifests and blobs can be deleted', 'on'),
  readOnly: text(
    'read-only',
    'on|off',
    'refuse to push and delete images, such as while they move to another registry; accounts and garbage collection still work',
    'off',
  ),
  gcInterval: text('gc-interval', 'TIME', 'collect garbage at this interval, such as 12h, or off', '24h'),
  gcGrace: text(
    'gc-grace',
    'TIME',
    'collect garbage this long after its last use: a push, a HEAD by a pusher, a delete',
    '24h',
  ),
  gcUntagged: text(
    'gc-untagged',
    'on|off',
    'whether manifests that no tag and no index refers to are garbage',
    'off',
  ),
  auditRetention: text('audit-retention', 'TIME', 'how long the audit log is kept', '90d'),
  secretsKey: text(
    'secrets-key',
    'FILE',
    'key that seals the secrets of apps, made with the first one; registries over one database need the same file',
    'secrets.key in the data folder',
  ),
  accountCopies: text(
    'account-copies',
    'on|off',
    'keep accounts, roles, tokens (secrets as hashes), rules and quotas beside the blobs too, for "berth catalog rebuild"',
    'on',
  ),
  webhookPrivate: text(
    'webhook-private',
    'on|off',
    'whether webhooks may be sent to this machine and private networks',
    'off',
  ),
  pathPrefix: text(
    'path-prefix',
    'PATH',
    'answer below PATH/v2/, for a proxy that passes the path on',
    'none',
  ),
  trustedProxy: list(
    'trusted-proxy',
    'NET',
    'trust Forwarded and X-Forwarded-* from this network or address',
    'nobody',
  ),
  shutdownDelay: text(
    'shutdown-delay',
    'TIME',
    'on SIGTERM keep serving for this long with /readyz at 503, so that load balancers send requests elsewhere first',
    '0s',
  ),
  watchdog: text(
    'watchdog',
    'TIME',
    'when the process hangs for this long, write the stack to the log and exit with code 70, so that a supervisor restarts it; or off',
    '10s',
  ),
  ...TRACE_SETTINGS,
  corsOrigin: list('cors-origin', 'ORIGIN', 'let pages of this origin call the API, * for all', 'none'),
} as const satisfies Readonly<Record<string, Setting>>;

/** The settings from one source. */
export type Settings = SettingValues<typeof SETTINGS>;
