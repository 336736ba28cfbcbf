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

/** A block of code in a document. */
export interface DocumentBlock {
  /** What stands after the three backticks, such as `sh` or `yaml compose.yaml`. */
  readonly info: string;
  readonly text: string;
}

/** The blocks of code of a document, by its path from the root of the project. */
export async function documentBlocks(path: string): Promise<readonly DocumentBlock[]> {
  const document = await readFile(join(import.meta.dirname, '../..', path), 'utf8');
  return [...document.matchAll(/^```([^\n]+)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({
    info,
    text,
  }));
}
