import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../../../lib/settings/config-error.ts';
import { changedLabels } from '../../../../server/cli/fleet/hosts.ts';
import { parseSince } from '../../../../server/cli/fleet/logs.ts';
import { printable, printableLog } from '../../../../server/cli/printable.ts';
import { checked } from '../../../../server/cli/remote/chosen-registry.ts';
import { ago, alignedLines } from '../../../../server/cli/remote/table.ts';

test('KEY=VALUE sets a label, KEY- removes one', () => {
  const labels = { role: 'web', zone: 'a' };
  assert.deepEqual(changedLabels(labels, ['zone-', 'role=db', 'rack=1=2']), { role: 'db', rack: '1=2' });
  for (const text of ['role', '=web', '-', ''])
    assert.throws(() => changedLabels(labels, [text]), ConfigError);
});

test('--since is a length of time or a time', () => {
  const now = Date.parse('2026-12-01T12:00:00Z');
  assert.equal(parseSince('10m', now), now - 600_000);
  assert.equal(parseSince('2026-11-27T08:00Z', now), Date.parse('2026-11-27T08:00:00Z'));
  for (const text of ['', '10', 'yesterday', '1']) assert.throws(() => parseSince(text, now), ConfigError);
});

test('the address of a registry: https unless it is this machine, or insecure', () => {
  const hrefOf = (server: string, insecure = false) => checked({ server, insecure }).url.href;
  assert.equal(hrefOf('registry.example'), 'https://registry.example/');
  assert.equal(hrefOf('https://registry.example:8443/berth//'), 'https://registry.example:8443/berth/');
  assert.equal(hrefOf('http://127.0.0.1:5000'), 'http://127.0.0.1:5000/');
  assert.equal(hrefOf('http://10.0.0.1:5000', true), 'http://10.0.0.1:5000/');
  for (const server of ['http://10.0.0.1', 'ftp://registry.example', 'https://user@registry.example', '']) {
    assert.throws(() => checked({ server }), ConfigError, server);
  }
});

test('columns are aligned, an empty cell is a dash, and no cell does anything to a terminal', () => {
  const columns = [
    { head: 'NAME', cell: ({ name }: { name: string }) => name },
    { head: 'LENGTH', cell: ({ name }: { name: string }) => String(name.length) },
  ];
  const rows = [{ name: 'web' }, { name: '' }, { name: '\x1b' }];
  assert.deepEqual(
    alignedLines(rows, columns, true),
    ['NAME    LENGTH', 'web     3', '-       0', '\\u001b  1'].map((line) => line.trimEnd()),
  );
  assert.deepEqual(alignedLines([], columns, false), []);
});

test('times are told by how long ago they were', () => {
  const now = Date.parse('2026-12-01T12:00:00Z');
  assert.equal(ago('2026-12-01T11:59:30Z', now), '30s ago');
  assert.equal(ago('2026-12-01T10:30:00Z', now), '1h ago');
  assert.equal(ago('2026-11-27T10:30:00Z', now), '4d ago');
  assert.equal(ago(null, now), 'never');
});

test('a line of a log keeps its colours and tabs, and does nothing else to a terminal', () => {
  const red = '\x1b[31mred\x1b[0m\ttext';
  assert.equal(printableLog(red, {}), red);
  assert.equal(printableLog(red, { NO_COLOR: '' }), red);
  assert.equal(printableLog(red, { NO_COLOR: '1' }), 'red\ttext');
  assert.equal(
    printableLog('\x1b]0;title\x07 \x1b[2J \x9b2J \u202eback \r\u{e0041}'),
    '\\u001b]0;title\\u0007 \\u001b[2J \\u009b2J \\u202eback \\u000d\\udb40\\udc41',
  );
  assert.equal(printable('two\nlines'), 'two\\u000alines');
});
