import { type Setting, type SettingValues, settingsOf } from '../lib/settings/settings.ts';
import { TRACE_SETTINGS } from '../lib/tracing/start-tracing.ts';

const { text, list, flag } = settingsOf('BERTH_AGENT');
const WORDS = /[\s,]+/;

/** The settings of `berth-agent serve`. */
export const AGENT_SETTINGS = {
  socket: text('socket', 'PATH', 'unix socket of the API', '/run/berth-agent.sock'),
  socketGroup: text('socket-group', 'GROUP', 'group that may use the socket', 'root alone'),
  listen: text('listen', 'HOST:PORT', 'also serve the API over TCP, to clients with a certificate', 'off'),
  tlsAuthority: text('tls-ca', 'FILE', 'authority that signs the certificates of clients'),
  tlsCertificate: text('tls-cert', 'FILE', 'certificate of this host, read again on SIGHUP'),
  tlsKey: text('tls-key', 'FILE', 'its private key, read again on SIGHUP'),
  metrics: text(
    'metrics',
    'HOST:PORT',
    'answer Prometheus at http://HOST:PORT/metrics, without a password; choose an address that containers and strangers do not reach',
    'off',
  ),
  data: text('data', 'DIR', 'images, containers and state', '/var/lib/berth-agent'),
  insecureRegistries: {
    ...list('insecure-registry', 'HOST:PORT', 'registry to reach over plain HTTP'),
    separator: WORDS,
    variable: 'BERTH_AGENT_INSECURE_REGISTRIES',
  },
  registryMirrors: {
    ...list(
      'registry-mirror',
      '[NAME=]URL',
      'asked first for images of registry NAME, docker.io without a name',
    ),
    separator: WORDS,
    variable: 'BERTH_AGENT_REGISTRY_MIRRORS',
    isSecret: 'url',
  },
  registryAuthFiles: {
    ...list(
      'registry-auth',
      'FILE',
      "docker's config.json or containers' auth.json with the agent's own logins, for clients that send none; colons separate them in the variable",
    ),
    separator: /:/,
    isPath: true,
  },
  httpProxy: {
    ...text(
      'http-proxy',
      'PROXY',
      'proxy, as [http://][USER:PASSWORD@]HOST:PORT, to registries and to what builds fetch, for addresses of http',
      'HTTP_PROXY',
    ),
    isSecret: 'url',
  },
  httpsProxy: {
    ...text('https-proxy', 'PROXY', 'the same for addresses of https', 'HTTPS_PROXY'),
    isSecret: 'url',
  },
  noProxy: text(
    'no-proxy',
    'LIST',
    'hosts, .domains and networks without a proxy, separated by commas',
    'NO_PROXY',
  ),
  discardLayerBlobs: flag(
    'discard-layer-blobs',
    '',
    'store no compressed layers; a pulled image is then pushed with other digests',
    'kept',
  ),
  layerLimit: text('layer-limit', 'SIZE', 'maximum size of a layer of an image, uncompressed', '100g'),
  allowBuild: {
    ...list(
      'allow-build',
      'ENTITLEMENT',
      'entitlement that clients may grant to builds: network.host, security.insecure (root on this host) or none',
      'network.host',
    ),
    separator: WORDS,
  },
  buildCacheLimit: text('build-cache-limit', 'SIZE', 'maximum size of the build cache', '20g'),
  buildContextLimit: text('build-context-limit', 'SIZE', 'maximum size of the context of a build', '20g'),
  ingress: {
    ...list('ingress', 'HOST:PORT', "serve the routes of the fleet's apps by HTTP here, such as *:80"),
    separator: WORDS,
  },
  ingressTls: {
    ...list('ingress-tls', 'HOST:PORT', 'the same with TLS, such as *:443'),
    separator: WORDS,
  },
  ingressCertificates: text(
    'ingress-certificates',
    'DIR',
    'certificates of routes with `tls: files`, as HOST.crt and HOST.key',
  ),
  ingressAcme: {
    ...text(
      'ingress-acme',
      'URL',
      'directory of the authority for routes with `tls: acme`, such as https://acme-v02.api.letsencrypt.org/directory; naming it accepts its terms. It verifies names over HTTP on port 80',
      'off',
    ),
    isSecret: 'url',
  },
  ...TRACE_SETTINGS,
  logLevel: text('log-level', 'LEVEL', 'trace, debug, info, warn, error, fatal or silent', 'info'),
  watchdog: text(
    'watchdog',
    'TIME',
    'when the agent hangs for this long, write the stack to the log and exit with code 70, so that a supervisor restarts it; or off. Containers keep running. Slow machines need more',
    '10s',
  ),
} as const satisfies Readonly<Record<string, Setting>>;

/** The settings from one source. */
export type AgentSettings = SettingValues<typeof AGENT_SETTINGS>;
