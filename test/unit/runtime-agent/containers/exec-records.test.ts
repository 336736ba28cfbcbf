import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExecRecord, ExecRecords } from '../../../../runtime-agent/containers/exec/exec-records.ts';

const REQUEST = {
  ...{ cmd: ['true'], user: '', env: [], workingDir: '', tty: false, privileged: false },
  ...{ attachStdin: false, attachStdout: true, attachStderr: true, detachKeys: '' },
};

describe('ExecRecords', () => {
  it('forgets the oldest when their commands are long', () => {
    const records = new ExecRecords();
    for (let index = 0; index < 100; index += 1) {
      records.add(new ExecRecord(`e${index}`, 'container', { ...REQUEST, cmd: ['x'.repeat(1 << 20)] }));
    }
    assert.deepEqual(
      records.all().map(({ id }) => id),
      Array.from({ length: 8 }, (_, index) => `e${92 + index}`),
    );
  });

  it('forgets the oldest that do not run, and none that does', () => {
    const records = new ExecRecords(3);
    const add = (id: string, state: ExecRecord['state']) => {
      const record = new ExecRecord(id, 'container', REQUEST);
      record.state = state;
      records.add(record);
    };
    add('runs', 'running');
    add('starts', 'starting');
    add('ended', 'ended');
    add('made', 'created');
    assert.deepEqual(
      records.all().map(({ id }) => id),
      ['runs', 'starts', 'made'],
    );
    add('second', 'running');
    assert.deepEqual(
      records.all().map(({ id }) => id),
      ['runs', 'starts', 'second'],
    );
    add('third', 'running');
    assert.deepEqual(
      records.all().map(({ id }) => id),
      ['runs', 'starts', 'second', 'third'],
    );
    assert.throws(() => records.find('ended'), {
      code: 'not-found',
      message: 'No such exec instance: ended',
    });
  });
});
