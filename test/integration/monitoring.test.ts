import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { markdownTable } from '../../lib/settings/describe-settings.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { freePort } from '../support/free-port.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const REFERENCE = join(import.meta.dirname, '../../docs/reference/metrics.md');
const REFERENCE_HEAD = `# Metrics

Both programs answer Prometheus at \`--metrics HOST:PORT\`, without a password, and the agent on its socket too. Names and labels are
stable; new ones may be added. A metric that cannot be read is missing from the answer. Alerts and dashboards are in
[deploy/monitoring](../../deploy/monitoring/README.md). This page is generated from the answers of both programs.
`;
const FOLDER = join(import.meta.dirname, '../../deploy/monitoring');

test('each alert fires by the series of its fault, and not before', async () => {
  await runCommand('promtool', ['check', 'config', 'prometheus.yml'], { cwd: FOLDER });
  await runCommand('promtool', ['test', 'rules', 'alerts.test.yml'], { cwd: FOLDER });
  const [alerts, tested] = await Promise.all(
    ['alerts.yml', 'alerts.test.yml'].map((name) => readFile(join(FOLDER, name), 'utf8')),
  );
  const names = Array.from((alerts ?? '').matchAll(/- alert: (\w+)/g), ([, name]) => name);
  assert.deepEqual(
    Array.from((tested ?? '').matchAll(/- name: (\w+)/g), ([, name]) => name),
    names,
  );
});

test('the compose file is one', async () => {
  const env = { GRAFANA_PASSWORD: 'of a test' };
  const { stdout } = await runCommand('docker', ['compose', 'config', '--services'], { cwd: FOLDER, env });
  assert.deepEqual(stdout.trim().split('\n').sort(), ['grafana', 'prometheus']);
});

test('alerts and dashboards ask for what programs tell, which promtool understands', {
  skip: unlessRoot(),
}, async (t) => {
  const metrics = { berth: await registryMetrics(t), 'berth-agent': await agentMetrics(t) };
  expectReference(metrics);
  const told = Object.values(metrics).join('');
  const names = new Set(Array.from(told.matchAll(/^# TYPE (\w+) (\w+)$/gm), ([, name]) => name ?? ''));
  for (const [, name] of told.matchAll(/^# TYPE (\w+) histogram$/gm)) names.add(`${name}_bucket`);
  const asked = (await expressions()).flatMap(
    (text) => text.match(/\b(?:berth|process|container)_\w+\b(?!")/g) ?? [],
  );
  assert.ok(asked.length > 50);
  assert.deepEqual(
    [...new Set(asked)].filter((name) => !names.has(name)),
    [],
  );
});

/** docs/reference/metrics.md names what the programs tell (BERTH_WRITE_DOCS=1 writes it). */
function expectReference(metrics: Readonly<Record<string, string>>): void {
  const parts = Object.entries(metrics).map(([program, text]) => {
    const types = new Map(
      Array.from(text.matchAll(/^# TYPE (\w+) (\w+)$/gm), ([, name, type]) => [name, type]),
    );
    const rows = Array.from(text.matchAll(/^# HELP (\w+) (.+)$/gm), ([, name, help = '']) => [
      `\`${name}\``,
      types.get(name) ?? '',
      help,
    ]);
    return `## \`${program} serve\`\n\n${markdownTable(['metric', 'type', 'what it is'], rows)}`;
  });
  const reference = `${REFERENCE_HEAD}\n${parts.join('\n')}`;
  if (process.env.BERTH_WRITE_DOCS === '1') writeFileSync(REFERENCE, reference);
  assert.equal(readFileSync(REFERENCE, 'utf8'), reference);
}

/** All that is asked for: expressions of alerts and of panels. */
async function expressions(): Promise<readonly string[]> {
  const dashboards = join(FOLDER, 'dashboards');
  const found = [await readFile(join(FOLDER, 'alerts.yml'), 'utf8')];
  for (const name of await readdir(dashboards)) {
    const { panels } = JSON.parse(await readFile(join(dashboards, name), 'utf8'));
    for (const { targets } of panels) for (const { expr } of targets) found.push(String(expr));
  }
  return found;
}

async function registryMetrics(scope: CleanupScope): Promise<string> {
  const metrics = `127.0.0.1:${await freePort()}`;
  await startRegistry(scope, {
    adminPassword: 'a password of tests',
    args: ['--metrics', metrics],
  });
  const text = await scrape(metrics);
  assert.match(text, /^berth_repositories 0$/m);
  assert.match(text, /^berth_fleet_hosts\{state="online"\} 0$/m);
  assert.ok(Number(/^berth_data_free_bytes (\d+)$/m.exec(text)?.[1]) > 0);
  return text;
}

async function agentMetrics(scope: CleanupScope): Promise<string> {
  const metrics = `127.0.0.1:${await freePort()}`;
  const { agent, image } = await startAgentWithImage(scope, { agentArgs: ['--metrics', metrics] });
  await agent.docker(['run', '--detach', '--name', 'quay', '--memory', '64m', image, 'sleep', '10000']);
  const text = await scrape(metrics);
  const series = (name: string) =>
    new RegExp(`^${name}\\{id="\\w{64}",name="quay",image="${image}"[^}]*\\} ([\\d.e+]+)$`, 'm');
  const measured = (name: string) => Number(series(name).exec(text)?.[1]);
  assert.ok(measured('container_cpu_usage_seconds_total') > 0);
  assert.ok(measured('container_memory_working_set_bytes') > 0);
  assert.equal(measured('container_spec_memory_limit_bytes'), 64 << 20);
  assert.equal(measured('container_processes'), 1);
  assert.ok(measured('container_network_receive_bytes_total') >= 0);
  assert.match(text, /^berth_agent_containers\{state="running"\} 1$/m);
  assert.match(text, /^berth_agent_events_total\{type="container",action="start"\} 1$/m);
  const bySocket = await callEngineAt(agent.socket, 'GET', '/metrics');
  assert.match(bySocket.text, /^berth_agent_containers\{state="running"\} 1$/m);
  return text;
}

async function scrape(address: string): Promise<string> {
  const answer = await fetch(`http://${address}/metrics`);
  assert.equal(answer.status, 200);
  const text = await answer.text();
  await runCommand('promtool', ['check', 'metrics'], { input: text });
  return text;
}
