import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { HELP as AGENT_HELP } from '../../runtime-agent/cli/help.ts';
import { COMMAND_HELP } from '../../server/cli/help.ts';
import { readImports } from '../architecture/imports.ts';
import { type KubernetesObject, kubernetesProblems } from '../support/kubernetes-schema.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const DEPLOY = join(ROOT, 'deploy');

const kubernetes = new Map<string, KubernetesObject>();
for (const name of await readdir(join(DEPLOY, 'kubernetes'))) {
  kubernetes.set(name, parse(await readFile(join(DEPLOY, 'kubernetes', name), 'utf8')));
}
const { resources } = kubernetes.get('kustomization.yaml') as unknown as {
  readonly resources: readonly string[];
};

test('each Kubernetes manifest is what the API takes, and has no field that it does not know', () => {
  assert.deepEqual(
    [...resources].sort(),
    [...kubernetes.keys()].filter((name) => name !== 'kustomization.yaml').sort(),
  );
  for (const name of resources) {
    assert.deepEqual(kubernetesProblems(kubernetes.get(name) as KubernetesObject), [], name);
  }
});

test('the check of manifests sees a wrong value, and a field that is misspelt however deep', () => {
  const deployment = kubernetes.get('deployment.yaml') as KubernetesObject;
  const text = JSON.stringify(deployment);
  const changed = (from: string, to: string) => {
    assert.ok(text.includes(from), from);
    return kubernetesProblems(JSON.parse(text.replace(from, to)));
  };
  assert.equal(changed('"replicas":3', '"replicas":"three"').length, 1);
  assert.deepEqual(
    changed('"httpGet"', '"httpget"')[0],
    'Deployment has no field spec.template.spec.containers.0.startupProbe.httpget',
  );
  assert.deepEqual(kubernetesProblems({ ...deployment, kind: 'Deploiement' }), [
    'apps/v1 has no Deploiement',
  ]);
});

test('what Kubernetes manifests name is there: labels, ports, settings, the commands', () => {
  const pods = [];
  for (const name of ['deployment.yaml', 'upgrade-job.yaml']) {
    const { spec } = kubernetes.get(name) as unknown as { readonly spec: { readonly template: PodTemplate } };
    pods.push(spec.template);
    const [container] = spec.template.spec.containers;
    assert.ok(container !== undefined);
    assert.ok(Object.hasOwn(COMMAND_HELP, container.args[0] ?? ''));
    for (const source of container.envFrom) {
      const wanted =
        source.configMapRef === undefined ? ['Secret', source.secretRef] : ['ConfigMap', source.configMapRef];
      const [kind, reference] = wanted as [string, { readonly name: string }];
      assert.ok(
        [...kubernetes.values()].some((one) => one.kind === kind && one.metadata.name === reference.name),
      );
    }
    assert.equal(container.securityContext.readOnlyRootFilesystem, true);
    const written = container.volumeMounts.map(({ mountPath }) => mountPath);
    assert.deepEqual(written, ['/var/lib/berth']);
  }
  const [registry, job] = pods.map(({ metadata }) => metadata.labels);
  assert.ok(registry !== undefined && job !== undefined);
  const matches = (selector: object, labels: Readonly<Record<string, string>>) =>
    Object.entries(selector).every(([name, value]) => labels[name] === value);
  for (const selector of selectors()) {
    assert.ok(matches(selector, registry), JSON.stringify(selector));
    assert.ok(!matches(selector, job), 'the job gets no requests');
  }
});

test('every variable of the deployment files is one that registry or agent reads', async () => {
  const known = new Set(`${JSON.stringify(COMMAND_HELP)} ${AGENT_HELP}`.match(/BERTH_[A-Z_]+/g));
  const files = ['Dockerfile', 'agent.Dockerfile'];
  for (const folder of ['compose', 'kubernetes', 'systemd']) {
    for (const name of await readdir(join(DEPLOY, folder))) files.push(join(folder, name));
  }
  for (const file of files) {
    const text = await readFile(join(DEPLOY, file), 'utf8');
    for (const name of text.match(/BERTH_[A-Z_]+\b(?!…)/g) ?? [])
      assert.ok(known.has(name), `${file}: ${name}`);
  }
});

test('each image has every folder that its program imports', async () => {
  const imports = readImports(ROOT);
  for (const [file, program] of [
    ['Dockerfile', 'server/main.ts'],
    ['agent.Dockerfile', 'runtime-agent/main.ts'],
  ] as const) {
    const reached = new Set<string>([program]);
    for (const one of reached) {
      for (const edge of imports)
        if (edge.file === one && edge.target.endsWith('.ts')) reached.add(edge.target);
    }
    const folders = new Set([...reached].map((path) => path.split('/')[0] ?? path));
    const dockerfile = await readFile(join(DEPLOY, file), 'utf8');
    const kept = (await readFile(join(DEPLOY, `${file}.dockerignore`), 'utf8')).split('\n');
    for (const folder of folders) {
      assert.match(dockerfile, new RegExp(`^COPY ${folder} ${folder}$`, 'm'), file);
      assert.ok(kept.includes(`!${folder}`), `${file}.dockerignore: ${folder}`);
    }
  }
});

test('the proxies that deployment files trust are single addresses or small networks', async () => {
  const values: string[] = [];
  for (const folder of ['compose', 'kubernetes', 'systemd', 'proxies']) {
    for (const name of await readdir(join(DEPLOY, folder))) {
      const text = await readFile(join(DEPLOY, folder, name), 'utf8');
      const found = text.matchAll(/^[^#\n]*\bBERTH_TRUSTED_PROXY[:=]\s*(.*)$/gm);
      values.push(...[...found].map(([, value = '']) => value));
    }
  }
  assert.ok(values.length >= 2, 'compose and kubernetes have one');
  for (const network of values.flatMap((value) => value.split(','))) {
    const [, bits = '32'] =
      /^(?:\$\{PROXY_ADDRESS:-)?[\d.]+\}?(?:\/(\d+))?$/.exec(network) ?? assert.fail(network);
    assert.ok(Number(bits) >= 24, network);
  }
});

test('docker compose takes the compose file with the example of settings filled in, and refuses it without', async (t) => {
  const folder = await makeTempDir(t, 'compose');
  const example = await readFile(join(DEPLOY, 'compose/example.env'), 'utf8');
  const settings = join(folder, 'settings');
  await writeFile(settings, example.replaceAll(/^([A-Z_0-9]+)=$/gm, '$1=secret-word'));
  const compose = (...args: string[]) =>
    runCommand('docker', ['compose', '--file', join(DEPLOY, 'compose/compose.yaml'), ...args], {
      env: { DOCKER_CONFIG: folder },
      expectExit: 'any',
    });
  const taken = await compose('--env-file', settings, 'config', '--format', 'json');
  assert.equal(taken.exitCode, 0, taken.stderr);
  const { services } = JSON.parse(taken.stdout) as {
    services: Record<string, { environment?: Record<string, string> }>;
  };
  assert.deepEqual(Object.keys(services).sort(), ['berth', 'bucket', 'caddy', 'postgres', 's3']);
  const { environment } = services.berth ?? {};
  const { front } = (
    JSON.parse(taken.stdout) as { services: { caddy: { networks: Record<string, object> } } }
  ).services.caddy.networks;
  assert.deepEqual(front, { ipv4_address: environment?.BERTH_TRUSTED_PROXY }, 'Caddy alone is believed');
  assert.equal(environment?.BERTH_DATABASE, 'postgres://berth:secret-word@postgres:5432/berth');
  await writeFile(settings, example);
  const refused = await compose('--env-file', settings, 'config', '--quiet');
  assert.notEqual(refused.exitCode, 0);
  assert.match(refused.stderr, /set it in \.env/);
});

test("Caddy takes the compose file's configuration", async (t) => {
  const folder = await makeTempDir(t, 'caddy');
  const config = join(DEPLOY, 'compose/Caddyfile');
  await runCommand('caddy', ['validate', '--adapter', 'caddyfile', '--config', config], {
    env: { SITE: 'localhost', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
});

test('systemd takes the units, and finds the registry well locked in', async (t) => {
  const folder = await makeTempDir(t, 'units');
  await mkdir(join(folder, 'units'));
  const names = await readdir(join(DEPLOY, 'systemd'));
  for (const name of names) {
    const text = await readFile(join(DEPLOY, 'systemd', name), 'utf8');
    await writeFile(join(folder, 'units', name), text.replaceAll('/opt/berth', ROOT));
  }
  const units = names.map((name) => join(folder, 'units', name));
  const verified = await runCommand('systemd-analyze', ['verify', '--man=no', ...units], {
    expectExit: 'any',
  });
  const about = (line: string) => names.some((name) => line.includes(name));
  assert.deepEqual(verified.stderr.split('\n').filter(about), []);
  assert.equal(verified.exitCode, 0, verified.stderr);
  // What the agent is forbidden, its containers would be too.
  const lockedIn = units.filter((name) => name.endsWith('.service') && !name.endsWith('berth-agent.service'));
  assert.equal(lockedIn.length, 3);
  for (const unit of lockedIn) {
    await runCommand('systemd-analyze', ['security', '--offline=true', '--threshold=30', '--no-pager', unit]);
  }
});

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly containers: readonly {
      readonly args: readonly string[];
      readonly envFrom: readonly { readonly configMapRef?: object; readonly secretRef?: object }[];
      readonly securityContext: { readonly readOnlyRootFilesystem: boolean };
      readonly volumeMounts: readonly { readonly mountPath: string }[];
    }[];
  };
}

/** Of everything that points at the registry's pods. */
function selectors(): readonly object[] {
  const specOf = (name: string) => (kubernetes.get(name) as unknown as { readonly spec: never }).spec;
  const { matchLabels } = (
    specOf('deployment.yaml') as { readonly selector: { readonly matchLabels: object } }
  ).selector;
  const budget = specOf('disruption-budget.yaml') as { readonly selector: { readonly matchLabels: object } };
  const policy = specOf('network-policy.yaml') as { readonly podSelector: { readonly matchLabels: object } };
  const service = specOf('service.yaml') as { readonly selector: object };
  return [matchLabels, budget.selector.matchLabels, policy.podSelector.matchLabels, service.selector];
}
