import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  logDetails,
  monitorLimit,
  planLog,
} from '../../../../../runtime-agent/containers/plan/log-options.ts';

const plan = (Config: Readonly<Record<string, string>>, Type = 'json-file') => planLog({ Type, Config });

describe('log options', () => {
  it('say how large files become and how many there are', () => {
    assert.deepEqual(plan({}), { kind: 'files', maxSize: undefined, maxFiles: 1, compress: false });
    assert.deepEqual(plan({}, ''), plan({}));
    assert.deepEqual(plan({}, 'local'), {
      kind: 'files',
      maxSize: 20_000_000,
      maxFiles: 5,
      compress: true,
    });
    assert.deepEqual(plan({ 'max-file': '1', compress: 'false' }, 'local'), {
      kind: 'files',
      maxSize: 20_000_000,
      maxFiles: 1,
      compress: false,
    });
    assert.deepEqual(plan({}, 'none'), { kind: 'none' });
    assert.deepEqual(plan({ 'max-size': '10m', 'max-file': '3', compress: 'true' }), {
      kind: 'files',
      maxSize: 10_000_000,
      maxFiles: 3,
      compress: true,
    });
    assert.deepEqual(plan({ mode: 'non-blocking', 'max-buffer-size': '4m' }), plan({}));
    const size = (text: string) => {
      const found = plan({ 'max-size': text });
      return found.kind === 'files' ? found.maxSize : 'none';
    };
    assert.deepEqual(['512', '1k', '1.5K', '2GB', '-1'].map(size), [512, 1000, 1500, 2e9, undefined]);
  });

  it('that make no sense are refused', () => {
    for (const [config, message] of [
      [{ 'max-size': 'much' }, /invalid size: 'much'/],
      [{ 'max-size': '0' }, /must be a positive number/],
      [{ 'max-size': '-2k' }, /invalid size/],
      [{ 'max-file': '0' }, /cannot be less than 1/],
      [{ 'max-file': 'x' }, /is not a number/],
      [{ compress: 'maybe' }, /compress=maybe/],
      [{ compress: 'true' }, /compress cannot be true when max-file is less than 2 or max-size is not set/],
      [{ compress: 'true', 'max-file': '2' }, /compress cannot be true/],
      [{ mode: 'x' }, /logging mode not supported: x/],
      [{ 'max-buffer-size': '4m' }, /only supported with 'mode=non-blocking'/],
      [{ mode: 'non-blocking', 'max-buffer-size': 'much' }, /invalid size: 'much'/],
    ] as const) {
      assert.throws(() => plan(config), { code: 'bad-request', message });
    }
    assert.throws(() => plan({ tag: 'x' }, 'none'), { code: 'bad-request' });
    assert.throws(() => plan({ 'max-file': '1' }, 'local'), {
      code: 'bad-request',
      message: /compress=false/,
    });
    assert.throws(() => plan({}, 'syslog'), { code: 'not-implemented' });
    for (const unknown of ['nosuch', 'constructor']) {
      const message = `error looking up logging plugin ${unknown}: plugin "${unknown}" not found`;
      assert.throws(() => plan({}, unknown), { code: 'bad-request', message });
    }
  });

  it('leave to conmon what the agent does not do', () => {
    assert.equal(monitorLimit({ maxSize: undefined, maxFiles: 1 }), undefined);
    assert.equal(monitorLimit({ maxSize: 100, maxFiles: 1 }), 100);
    assert.equal(monitorLimit({ maxSize: 100, maxFiles: 2 }), 200 + (1 << 20));
  });
});

describe('details of log lines', () => {
  const container = {
    id: 'f'.repeat(64),
    name: 'web',
    imageId: `sha256:${'a'.repeat(64)}`,
    config: { Labels: { tier: 'front end', team: 'x' }, Env: ['B=2', 'A=1=1', 'C'], Image: 'app:1' },
  } as const;

  it('are what the options name, sorted and escaped', () => {
    assert.equal(logDetails(container, {}), '');
    assert.equal(
      logDetails(container, { labels: 'tier,nosuch', env: 'B,A,C', tag: '{{.Name}}-{{ .ID }}' }),
      'A=1%3D1,B=2,C=,tag=web-ffffffffffff,tier=front+end',
    );
    assert.equal(
      logDetails(container, { 'labels-regex': '^t', 'env-regex': 'B' }),
      'B=2,team=x,tier=front+end',
    );
    assert.equal(logDetails(container, { tag: '{{.ImageName}}' }), 'tag=app%3A1');
  });

  it('are not looked for without end', () => {
    const Labels = { ['a'.repeat(1 << 20)]: '' };
    const facts = { ...container, config: { ...container.config, Labels } };
    assert.throws(() => logDetails(facts, { 'labels-regex': '(a{1,200}b)+!' }), { code: 'bad-request' });
    assert.equal(logDetails(facts, { 'labels-regex': '^b' }), '');
  });
});
