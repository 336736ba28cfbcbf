import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  linksEnvironment,
  processEnvironment,
} from '../../../../../runtime-agent/containers/plan/process.ts';
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

describe('linksEnvironment', () => {
  const link = (ports: string, env: readonly string[]) => ({
    alias: 'db',
    address: '192.0.2.1',
    config: { Env: env, ExposedPorts: { [ports]: {} } },
  });

  it('names the ports of each linked container, and has its environment', () => {
    assert.deepEqual(linksEnvironment('ship', [link('80/tcp', ['A=1', 'HOME=/h'])]), [
      'DB_PORT=tcp://192.0.2.1:80',
      'DB_PORT_80_TCP=tcp://192.0.2.1:80',
      'DB_PORT_80_TCP_ADDR=192.0.2.1',
      'DB_PORT_80_TCP_PORT=80',
      'DB_PORT_80_TCP_PROTO=tcp',
      'DB_NAME=/ship/db',
      'DB_ENV_A=1',
    ]);
  });

  it('refuses more than a program can have, however the links multiply it', () => {
    let asked = 0;
    function* links() {
      for (; asked < 4096; asked += 1) yield link('80/tcp', [`A=${'x'.repeat(1 << 20)}`]);
    }
    const refused = { code: 'runtime', message: /more than 6291456 bytes of variables/ };
    assert.throws(() => linksEnvironment('ship', links()), refused);
    assert.equal(asked, 5);
    assert.throws(() => linksEnvironment('ship', [link('1-65535/tcp', [])]), refused);
  });
});
