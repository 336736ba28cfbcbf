import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { settingsReference } from '../../lib/settings/describe-settings.ts';
import { AGENT_SETTINGS } from '../../runtime-agent/settings.ts';
import { SETTINGS } from '../../server/config/settings.ts';

const FILE = join(import.meta.dirname, '../../docs/reference/settings.md');

const REFERENCE = `# Settings

An option on the command line wins over the environment variable, and that over the key in the JSON file that \`--config\`
names. A variable that ends in \`_FILE\` names a file with the value. This page is made from \`server/config/settings.ts\` and
\`runtime-agent/settings.ts\`.

## \`berth serve\`

${settingsReference(SETTINGS)}
## \`berth-agent serve\`

${settingsReference(AGENT_SETTINGS)}`;

test('docs/reference/settings.md lists the settings of both programs (BERTH_WRITE_DOCS=1 writes it)', () => {
  if (process.env.BERTH_WRITE_DOCS === '1') {
    mkdirSync(dirname(FILE), { recursive: true });
    writeFileSync(FILE, REFERENCE);
  }
  assert.equal(readFileSync(FILE, 'utf8'), REFERENCE);
});
