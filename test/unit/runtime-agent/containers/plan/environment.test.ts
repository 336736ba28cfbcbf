import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { processEnvironment } from '../../../../../runtime-agent/containers/plan/environment.ts';
import { containerConfig } from '../../../../support/container-requests.ts';

describe('processEnvironment', () => {
  const make = (changes: object) =>
    processEnvironment(containerConfig([], { Hostname: 'ship', ...changes }), '/root');

  it('begins with PATH and HOSTNAME, and ends with HOME', () => {
    assert.deepEqual(make({ Env: ['A=1', 'B=x=y'] }), [
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=ship',
      'A=1',
      'B=x=y',
      'HOME=/root',
    ]);
  });

  it('has TERM on a terminal only', () => {
    assert.ok(make({ Tty: true }).includes('TERM=xterm'));
    assert.ok(make({ Tty: true, Env: ['TERM=dumb'] }).includes('TERM=dumb'));
    assert.ok(!make({}).some((entry) => entry.startsWith('TERM=')));
  });

  it('lets the container replace and remove what is there', () => {
    assert.deepEqual(make({ Env: ['PATH=/mine', 'HOME=/h', 'HOSTNAME', 'A=1', 'A=2'] }), [
      'PATH=/mine',
      'HOME=/h',
      'A=2',
    ]);
  });
});
