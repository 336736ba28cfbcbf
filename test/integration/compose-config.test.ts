import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseCompose } from '../../fleet/compose/parse-compose.ts';
import { readApp } from '../../fleet/compose/read-app.ts';
import type { AppSpec } from '../../fleet/service.ts';
import { runCommand } from '../support/run-command.ts';

const FOLDER = join(import.meta.dirname, '../support/compose-samples');
const SAMPLES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
const ENVIRONMENT = {
  SET: 'set',
  EMPTY: '',
  FROM: 'lookup',
  OUT: 'outside',
  PORT: '80',
  CONFIG: 'from $outside',
  P: 'true',
  N: '4',
  C: '0.5',
};
const PROFILES = ['tools'];

async function readSample(path: string): Promise<string | undefined> {
  return readFile(join(FOLDER, path), 'utf8').catch(() => undefined);
}

async function appOf(text: string, environment: Readonly<Record<string, string>>): Promise<AppSpec> {
  const { document } = await parseCompose(text, { environment, readFile: readSample, profiles: PROFILES });
  return readApp(document);
}

/** What docker compose makes of a sample. Its output is a Compose file again. */
async function dockerConfig(sample: string): Promise<string> {
  const args = [
    'compose',
    '-p',
    'sample',
    '-f',
    sample,
    '--profile',
    PROFILES.join(),
    'config',
    '--format',
    'json',
  ];
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...ENVIRONMENT };
  return (await runCommand('docker', args, { cwd: FOLDER, env })).stdout;
}

/** The app without the order in which docker compose writes maps. */
function ordered(app: AppSpec): AppSpec {
  const byName = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  const sort = <Item extends object>(items: readonly Item[]) => items.toSorted(byName);
  return {
    ...app,
    services: sort(app.services).map((service) => ({
      ...service,
      dependsOn: sort(service.dependsOn),
      networks: sort(service.networks),
      ulimits: sort(service.ulimits),
      extraHosts: service.extraHosts.toSorted(),
    })),
    volumes: sort(app.volumes),
    networks: sort(app.networks),
    configs: sort(app.configs),
    secrets: app.secrets.toSorted(),
  };
}

describe('a Compose file', () => {
  assert.ok(SAMPLES.length >= 25, `there are ${SAMPLES.length} samples`);
  for (const sample of SAMPLES) {
    it(`is read as docker compose reads it: ${sample}`, async () => {
      const text = (await readSample(sample)) ?? '';
      // Dollar signs are doubled in it, so that it has no variables; configurations of the environment are still to read.
      const docker = await dockerConfig(sample);
      assert.deepEqual(
        ordered(await appOf(text, ENVIRONMENT)),
        ordered(await appOf(docker, { CONFIG: ENVIRONMENT.CONFIG })),
      );
    });
  }
});
