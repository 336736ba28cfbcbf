import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerInfo } from '../../../../../runtime-agent/containers/container-info.ts';
import { execProcess } from '../../../../../runtime-agent/containers/exec/exec-process.ts';
import type { ExecRequest } from '../../../../../runtime-agent/containers/exec/execs.ts';
import type { OciProcess } from '../../../../../runtime-agent/oci-runner/bundle.ts';
import { containerConfig, hostConfig } from '../../../../support/container-requests.ts';

const BASE: OciProcess = {
  terminal: true,
  consoleSize: { height: 1, width: 2 },
  user: { uid: 1000, gid: 1000, additionalGids: [1000, 5] },
  args: ['app'],
  env: ['PATH=/bin'],
  cwd: '/srv',
  capabilities: {
    bounding: ['CAP_CHOWN'],
    effective: [],
    permitted: [],
    inheritable: [],
    ambient: [],
  },
  rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 'unlimited' }],
  noNewPrivileges: true,
  oomScoreAdj: 7,
};

const REQUEST: ExecRequest = {
  ...{ cmd: ['true'], user: '', env: [], workingDir: '', tty: false, privileged: false },
  ...{ attachStdin: false, attachStdout: true, attachStderr: true, detachKeys: '' },
};

const ACCOUNTS = {
  passwd: 'root:x:0:0::/root:/bin/sh\nsailor:x:1000:1000::/home/sailor:/bin/sh\n',
  group: 'root:x:0:\nsailor:x:1000:\ncrew:x:2000:sailor\n',
};

function make(request: Partial<ExecRequest>, size?: { rows: number; columns: number }): OciProcess {
  const container = {
    config: containerConfig(['app'], { Hostname: 'quay', Env: ['A=run', 'B=run'], Tty: true }),
    hostConfig: hostConfig({ GroupAdd: ['2000'] }),
  } as ContainerInfo;
  return execProcess(
    container,
    { ...REQUEST, ...request },
    { base: BASE, accounts: ACCOUNTS, capabilities: ['CAP_CHOWN', 'CAP_SYS_ADMIN'], size },
  );
}

describe('execProcess', () => {
  it('has what the process of the container has', () => {
    const made = make({});
    assert.deepEqual(made.user, { uid: 1000, gid: 1000, additionalGids: [1000, 5] });
    assert.deepEqual([made.args, made.cwd, made.terminal], [['true'], '/srv', false]);
    assert.deepEqual(made.capabilities.bounding, ['CAP_CHOWN']);
    assert.deepEqual(made.capabilities.effective, []);
    assert.deepEqual([made.rlimits, made.noNewPrivileges, made.oomScoreAdj], [BASE.rlimits, true, 7]);
    assert.equal('consoleSize' in made, false);
    assert.ok(made.env.includes('HOME=/home/sailor') && made.env.includes('HOSTNAME=quay'));
    assert.equal(made.env.includes('TERM=xterm'), false);
  });

  it('has what the request says otherwise', () => {
    const made = make(
      { user: 'root', env: ['A=exec'], workingDir: '/tmp', tty: true },
      { rows: 33, columns: 77 },
    );
    assert.deepEqual(made.user, { uid: 0, gid: 0, additionalGids: [0, 2000] });
    assert.deepEqual(made.capabilities.effective, ['CAP_CHOWN']);
    assert.deepEqual([made.cwd, made.terminal, made.consoleSize], ['/tmp', true, { height: 33, width: 77 }]);
    assert.ok(['A=exec', 'B=run', 'HOME=/root', 'TERM=xterm'].every((entry) => made.env.includes(entry)));
    assert.equal(made.env.includes('A=run'), false);
  });

  it('has every capability where it is privileged, whoever it is', () => {
    const { capabilities } = make({ privileged: true });
    const all = ['CAP_CHOWN', 'CAP_SYS_ADMIN'];
    assert.deepEqual(
      [capabilities.bounding, capabilities.effective, capabilities.permitted],
      [all, all, all],
    );
    assert.deepEqual([capabilities.inheritable, capabilities.ambient], [[], []]);
  });

  it('refuses users, groups and folders that cannot be', () => {
    for (const [request, message] of [
      [{ user: 'nosuch' }, /unable to find user nosuch/],
      [{ user: 'root:nosuch' }, /unable to find group nosuch/],
      [{ workingDir: 'tmp' }, /Cwd must be an absolute path/],
    ] as const) {
      assert.throws(() => make(request), { code: 'bad-request', message });
    }
  });
});
