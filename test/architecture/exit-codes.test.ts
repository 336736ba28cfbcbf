import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { AGENT_EXIT_CODES } from '../../runtime-agent/cli/exit-codes.ts';
import { EXIT_CODES } from '../../server/cli/exit-codes.ts';

const root = dirname(dirname(import.meta.dirname));
const FILE = join(root, 'docs/reference/exit-codes.md');

const listOf = (codes: Readonly<Record<string, string>>) =>
  Object.entries(codes)
    .map(([code, text]) => `- \`${code}\`: ${text}\n`)
    .join('');

const REFERENCE = `# Exit codes

This page is made from \`server/cli/exit-codes.ts\` and \`runtime-agent/cli/exit-codes.ts\`.

## \`berth\`

${listOf(EXIT_CODES)}
\`berth exec\` has the exit code of the command that it runs.

## \`berth-agent\`

${listOf(AGENT_EXIT_CODES)}`;

test('docs/reference/exit-codes.md lists the exit codes of both programs (BERTH_WRITE_DOCS=1 writes it)', () => {
  if (process.env.BERTH_WRITE_DOCS === '1') writeFileSync(FILE, REFERENCE);
  assert.equal(readFileSync(FILE, 'utf8'), REFERENCE);
});

test('commands return no other exit code', () => {
  for (const [folder, codes] of [
    ['server/cli', EXIT_CODES],
    ['runtime-agent/cli', AGENT_EXIT_CODES],
  ] as const) {
    const returned = new Set<string>();
    for (const file of globSync(`${folder}/**/*.ts`, { cwd: root })) {
      const text = readFileSync(join(root, file), 'utf8');
      for (const [, code = ''] of text.matchAll(/\breturn (\d+);|\bcode = (\d+);/g))
        if (code) returned.add(code);
    }
    const known = Object.keys(codes);
    const commands = [...returned].filter((code) => Number(code) <= 255);
    assert.deepEqual(
      commands.filter((code) => !known.includes(code)),
      [],
      folder,
    );
  }
});
