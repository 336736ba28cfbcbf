import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const README = join(import.meta.dirname, '../../README.md');

/** The blocks of commands in a section of the README. Throws when there are none. */
export async function readmeCommands(section: string): Promise<readonly string[]> {
  const readme = await readFile(README, 'utf8');
  const text = readme.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  if (blocks.length === 0) throw new Error(`README.md has no commands under "${section}"`);
  return blocks;
}
