import { EngineError } from '../../errors.ts';
import type { Platform } from '../../images/image.ts';

const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  i386: '386',
};

/**
 * `os/architecture[/variant]` as `--platform` sends it; undefined where it is absent. Throws EngineError
 * 'bad-request'.
 */
export function decodePlatform(text: string | null): Platform | undefined {
  if (text === null || text === '') return undefined;
  const match = /^([a-z0-9]+)\/([a-z0-9_-]+)(?:\/([a-z0-9.]+))?$/.exec(text.toLowerCase());
  const [, os, architecture, variant] = match ?? [];
  if (os === undefined || architecture === undefined) {
    throw new EngineError(
      'bad-request',
      `"${text.slice(0, 80)}" is not a platform: write os/architecture, such as linux/amd64`,
    );
  }
  return {
    os,
    architecture: ALIASES[architecture] ?? architecture,
    ...(variant === undefined ? {} : { variant }),
  };
}
