import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostInputError } from '../../../fleet/read-host.ts';
import { readHostMessage } from '../../../fleet/read-host-message.ts';

const report = (change: object) =>
  readHostMessage(
    JSON.stringify({
      type: 'report',
      reports: [
        { app: 'team/shop', release: 1, attempt: 1, phase: 'failed', instances: [], jobs: {}, ...change },
      ],
    }),
  );

test('a reason is text in one line, whatever the program has written', () => {
  const reason = '\x1b]0;owned\x07\x1b[2Jexited\r\nwith 3\u202e \x9b31m\0 \u2028 \ud800 日本';
  const message = report({ reason });
  assert.equal(message.type, 'report');
  const [{ reason: kept = '' } = {}] = message.type === 'report' ? message.reports : [];
  assert.equal(kept, ' ]0;owned  [2Jexited  with 3   31m    \ufffd 日本');
});

test('names with characters that are no text are refused', () => {
  const instance = {
    ...{ service: 'web', instance: 1, release: 1, container: 'c', image: `sha256:${'0'.repeat(64)}` },
    ...{ state: 'running', health: 'healthy', restarts: 0 },
  };
  for (const service of ['\x9b2J', 'a\u202eb', 'a\nb', '\ud800']) {
    assert.throws(() => report({ instances: [{ ...instance, service }] }), HostInputError);
  }
  assert.ok(report({ instances: [instance] }));
});
