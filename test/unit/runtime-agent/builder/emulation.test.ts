import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { emulationOf, interpreterName } from '../../../../runtime-agent/builder/execute/foreign-platform.ts';

const host = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };
const registered = (first: string, flags: string) =>
  `${first}\ninterpreter /usr/bin/qemu-aarch64\nflags: ${flags}\noffset 0\nmagic 7f454c46\nmask ffffffff\n`;

describe('whether a host runs the programs of a platform', () => {
  test('its own, and what its processor runs beside', () => {
    assert.equal(emulationOf(host, host, undefined).kind, 'own');
    assert.equal(emulationOf({ os: 'linux', architecture: '386' }, host, undefined).kind, 'own');
    assert.equal(emulationOf({ os: 'linux', architecture: 'arm' }, arm64, undefined).kind, 'own');
    assert.equal(emulationOf(host, arm64, undefined).kind, 'not-registered');
    assert.equal(emulationOf({ os: 'windows', architecture: 'amd64' }, host, undefined).kind, 'other-system');
  });

  test('others by an emulator that is enabled and is opened where it was registered', () => {
    assert.equal(emulationOf(arm64, host, registered('enabled', 'POCF')).kind, 'emulated');
    assert.equal(emulationOf(arm64, host, registered('enabled', 'F')).kind, 'emulated');
    assert.equal(emulationOf(arm64, host, registered('disabled', 'F')).kind, 'disabled');
    assert.deepEqual(emulationOf(arm64, host, registered('enabled', 'OC')), {
      kind: 'not-fixed',
      interpreter: '/usr/bin/qemu-aarch64',
    });
  });

  test('interpreters have the names that QEMU gives them', () => {
    const names = ['amd64', 'arm64', '386', 's390x', 'ppc64le', 'riscv64'].map(interpreterName);
    assert.deepEqual(names, [
      'qemu-x86_64',
      'qemu-aarch64',
      'qemu-i386',
      'qemu-s390x',
      'qemu-ppc64le',
      'qemu-riscv64',
    ]);
  });
});
