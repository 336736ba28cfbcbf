import type { ChooseProxy } from '../../../lib/http/proxies/choose-proxy.ts';
import { trimEndOf } from '../../../lib/pattern/trim.ts';

/** The bucket of an S3 driver, and how to reach it. */
export interface S3Settings {
  readonly bucket: string;
  /** Prefix of the key of every object: '' or a path that ends with a slash. */
  readonly prefix: string;
  /** By default from the environment or the AWS profile. */
  readonly region?: string;
  /** `http://HOST:PORT` or `https://HOST`; if absent, Amazon's. */
  readonly endpoint?: string;
  /** Whether the bucket is a part of the path, not of the host. */
  readonly pathStyle: boolean;
  /** Clients' URL of the same server, for redirects; if absent, `endpoint`. */
  readonly publicEndpoint?: string;
  /** Proxy to the server; absent for direct connections. */
  readonly proxy?: URL;
  /** Bytes of each part of a large upload except the last: a blob may have at most 10,000 parts. */
  readonly partSize: number;
}

/** The text is not a valid storage on S3; the message is a clause that says why. */
export class S3SettingsError extends Error {
  override readonly name = 'S3SettingsError';
}

const MIB = 1024 * 1024;
/** Amazon's minimum is 5 MiB. With 8 MiB a blob can have 78 GiB. */
const DEFAULT_PART_SIZE = 8 * MIB;
const PART_SIZES = { least: 5, most: 1024 };
const OPTIONS = ['region', 'endpoint', 'pathStyle', 'publicEndpoint', 'partSize'];
const EXAMPLE = 's3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST';

/**
 * Parses `s3://BUCKET/PREFIX?region=…&endpoint=…&pathStyle=true|false&publicEndpoint=…&partSize=…MiB`. Everything
 * except the bucket is optional. With an endpoint the bucket is in the path by default. `choose` selects the proxy to
 * the server. Throws S3SettingsError.
 */
export function parseS3Url(text: string, choose: ChooseProxy = () => undefined): S3Settings {
  const url = URL.parse(text);
  if (url?.protocol !== 's3:') throw new S3SettingsError(`it is not of the form ${EXAMPLE}`);
  if (url.username !== '' || url.password !== '') {
    throw new S3SettingsError(
      'it contains credentials: give them in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile',
    );
  }
  if (url.port !== '' || url.hash !== '') throw new S3SettingsError(`it is not of the form ${EXAMPLE}`);
  for (const name of url.searchParams.keys()) {
    if (!OPTIONS.includes(name)) {
      throw new S3SettingsError(
        `it has the unknown setting "${name}": the known ones are ${OPTIONS.join(', ')}`,
      );
    }
    if (url.searchParams.getAll(name).length > 1) throw new S3SettingsError(`it has "${name}" twice`);
  }
  const setting = (name: string) => url.searchParams.get(name) || undefined;
  const region = setting('region');
  const endpoint = parseEndpoint('endpoint', setting('endpoint'));
  const publicEndpoint = parseEndpoint('publicEndpoint', setting('publicEndpoint'));
  const proxy = choose(new URL(endpoint ?? `https://s3.${region ?? 'us-east-1'}.amazonaws.com`));
  return Object.freeze({
    bucket: parseBucket(url.hostname),
    prefix: parsePrefix(url.pathname),
    pathStyle: parsePathStyle(setting('pathStyle')) ?? endpoint !== undefined,
    partSize: parsePartSize(setting('partSize')),
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(publicEndpoint !== undefined && { publicEndpoint }),
    ...(proxy !== undefined && { proxy }),
  });
}

function parseBucket(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(name)) {
    throw new S3SettingsError(`"${name}" is not the name of a bucket: write ${EXAMPLE}`);
  }
  return name;
}

function parsePrefix(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  for (const part of parts) {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part)) {
      throw new S3SettingsError(
        `"${part}" in the prefix may only have letters, digits, dots, hyphens and underscores`,
      );
    }
  }
  return parts.map((part) => `${part}/`).join('');
}

function parseEndpoint(name: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.origin !== trimEndOf(text, '/')) {
    throw new S3SettingsError(`its ${name} "${text}" is not of the form https://HOST or http://HOST:PORT`);
  }
  return url.origin;
}

function parsePathStyle(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text !== 'true' && text !== 'false') throw new S3SettingsError('its pathStyle is not true or false');
  return text === 'true';
}

function parsePartSize(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PART_SIZE;
  const count = Number(/^(\d{1,4})MiB$/.exec(text)?.[1]);
  if (!(count >= PART_SIZES.least && count <= PART_SIZES.most)) {
    throw new S3SettingsError(
      `its partSize "${text}" is not one of ${PART_SIZES.least}MiB to ${PART_SIZES.most}MiB`,
    );
  }
  return count * MIB;
}
