import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  classifyExecutable,
  commandPaths,
} from '../../../../../runtime-agent/containers/run/check-executable.ts';

function elf(machine: number, bigEndian = false): Buffer {
  const head = Buffer.alloc(64);
  head.write('\x7fELF\x02', 'latin1');
  head[5] = bigEndian ? 2 : 1;
  if (bigEndian) head.writeUInt16BE(machine, 18);
  else head.writeUInt16LE(machine, 18);
  return head;
}

describe('classifyExecutable', () => {
  it('knows programs of this machine from those of others', () => {
    assert.equal(classifyExecutable(elf(62), 'x64').kind, 'native-or-unknown');
    assert.equal(classifyExecutable(elf(3), 'x64').kind, 'native-or-unknown');
    assert.equal(classifyExecutable(elf(183), 'x64').kind, 'foreign');
    assert.equal(classifyExecutable(elf(62), 'arm64').kind, 'foreign');
    assert.equal(classifyExecutable(elf(22, true), 'x64').kind, 'foreign');
    assert.equal(classifyExecutable(elf(183), 'unheard-of').kind, 'native-or-unknown');
  });

  it('finds the interpreter of scripts', () => {
    assert.deepEqual(classifyExecutable(Buffer.from('#! /bin/sh -e\n'), 'x64'), {
      kind: 'script',
      interpreter: '/bin/sh',
    });
  });

  it('leaves the rest to the runtime', () => {
    for (const text of ['', '\x7fELF', 'echo', '#!']) {
      assert.equal(classifyExecutable(Buffer.from(text, 'latin1'), 'x64').kind, 'native-or-unknown');
    }
  });
});

describe('commandPaths', () => {
  it('searches PATH for names only', () => {
    const env = ['A=1', 'PATH=/a::relative:/b'];
    assert.deepEqual(commandPaths('app', '/', env), ['/a/app', '/b/app']);
    assert.deepEqual(commandPaths('/x/app', '/', env), ['/x/app']);
    assert.deepEqual(commandPaths('./app', '/srv', env), ['/srv/./app']);
    assert.deepEqual(commandPaths('bin/app', '/', env), ['/bin/app']);
    assert.deepEqual(commandPaths('app', '/', []), []);
  });
});
