import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentProcess } from './agent-process.ts';
import type { CleanupScope } from './cleanup.ts';
import { makeTempDir } from './temp-dir.ts';

const FILES = join(import.meta.dirname, 'compose-app');

/** A copy of the application in compose-app/, to be changed as a test likes, and `docker compose` on it. */
export interface ComposeApp {
  readonly folder: string;
  /** The arguments for `docker` of a command of `docker compose`. */
  args(...command: readonly string[]): readonly string[];
  compose(...command: readonly string[]): ReturnType<AgentProcess['docker']>;
}

export async function makeComposeApp(
  scope: CleanupScope,
  docker: AgentProcess['docker'],
  images: { readonly db: string; readonly web: string },
): Promise<ComposeApp> {
  const folder = await makeTempDir(scope, 'compose');
  await cp(FILES, folder, { recursive: true });
  await writeFile(join(folder, '.env'), `DB_IMAGE=${images.db}\nWEB_IMAGE=${images.web}\n`);
  const args = (...command: readonly string[]) => [
    ...['compose', '--ansi', 'never', '--progress', 'plain'],
    ...['--project-name', 'shop', '--project-directory', folder, '-f', join(folder, 'compose.yaml')],
    ...command,
  ];
  return {
    folder,
    args,
    compose: (...command) => docker(args(...command)),
  };
}
