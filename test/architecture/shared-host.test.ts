import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { sharesHost } from './shared-host.ts';

const root = dirname(dirname(import.meta.dirname));

test('no test meets other agents, registries or tests of the machine', () => {
  const files = globSync('test/{conformance,e2e,integration,unit}/**/*.test.ts', { cwd: root });
  assert.ok(files.length > 300, `only ${files.length} files were found`);
  assert.deepEqual(
    files.flatMap((file) => sharesHost(file, readFileSync(join(root, file), 'utf8'))),
    [],
  );
});

const AGENT = "import { startAgent } from '../support/agent-process.ts';";

for (const [source, expected] of [
  [AGENT, /starts an agent/],
  ["import {\n  readHostNetwork,\n} from '../support/host-network.ts';", /looks at a network/],
  ["server.listen(443, '127.0.0.1');", /listen\(443 is a port/],
  ["server.listen({ host: '127.0.0.1', port: 5000 });", /port: 5000 is a port/],
  ["start(t, ['--listen', '127.0.0.1:5000']);", /'127\.0\.0\.1:5000'\] is a port/],
] as const) {
  test(`forbidden: ${source}`, () => {
    const [sentence = ''] = sharesHost('test/a.test.ts', source);
    assert.match(sentence, expected);
  });
}

for (const source of [
  `${AGENT}\nenterOwnNetwork();`,
  `${AGENT}\nenterOwnNetwork({ ownRun: true });`,
  "import type { AgentProcess } from '../support/agent-process.ts';",
  "server.listen(0, '127.0.0.1');",
  "server.listen({ host: '127.0.0.1', port: 0 });",
]) {
  test(`allowed: ${source}`, () => assert.deepEqual(sharesHost('test/a.test.ts', source), []));
}
