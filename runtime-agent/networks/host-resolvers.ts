import { readFileSync } from 'node:fs';
import { parseResolvConf, type ResolverSettings } from './plan/etc-files.ts';

/** Milliseconds for which settings are cached. */
const FRESH = 5_000;

/** The host's own name servers. They change with the host's network while containers run. */
export class HostResolvers {
  readonly #path: string;
  #settings: ResolverSettings = { nameservers: [], search: [], options: [] };
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(path = '/etc/resolv.conf') {
    this.#path = path;
  }

  /** A missing file means no settings. */
  settings(): ResolverSettings {
    const now = performance.now();
    if (now - this.#readAt > FRESH) {
      this.#settings = parseResolvConf(readOrEmpty(this.#path));
      this.#readAt = now;
    }
    return this.#settings;
  }
}

/** Reads a file of the host; '' if it is missing. */
export function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
