import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  StatusLog,
  type StatusUpdate,
} from '../../../../../runtime-agent/builder/buildkit/builds/status-log.ts';

const vertex = (name: string): StatusUpdate => ({ vertexes: [{ digest: name, name }] });
const output = (msg: Uint8Array): StatusUpdate => ({ logs: [{ vertex: 'v', msg }] });

async function read(log: StatusLog): Promise<StatusUpdate[]> {
  return await Array.fromAsync(log.follow(AbortSignal.timeout(60_000)));
}

describe('the status of a build', () => {
  test('is told in its order, to who comes late as well', async () => {
    const log = new StatusLog();
    log.append(vertex('a'));
    log.append(output(Buffer.from('1')));
    log.append(vertex('b'));
    log.append(output(Buffer.from('2')));
    const early = read(log);
    log.append(vertex('c'));
    log.end();
    for (const updates of [await early, await read(log)]) {
      const names = updates.flatMap(({ vertexes }) => vertexes?.map(({ name }) => name));
      const said = updates.flatMap(({ logs }) => logs?.map(({ msg }) => String(msg)));
      assert.deepEqual(names, ['a', 'b', 'c']);
      assert.deepEqual(said.filter(Boolean), ['1', '2']);
    }
  });

  test('keeps the last of the output, and all that the build did', async () => {
    const log = new StatusLog();
    const megabyte = Buffer.alloc(1 << 20);
    for (let count = 0; count < 100; count += 1) {
      log.append(vertex(`v${count}`));
      log.append(output(megabyte));
    }
    for (let count = 0; count < 50_000; count += 1) log.append(output(Buffer.from(`${count}`)));
    for (let count = 0; count < 50_000; count += 1) {
      log.append({ statuses: [{ ID: 'context', vertex: 'v', current: BigInt(count) }] });
    }
    log.end();
    const updates = await read(log);
    const bytes = updates
      .flatMap(({ logs }) => logs ?? [])
      .reduce((sum, { msg }) => sum + (msg?.length ?? 0), 0);
    const passing = updates.reduce(
      (sum, { logs = [], statuses = [] }) => sum + logs.length + statuses.length,
      0,
    );
    assert.equal(updates.flatMap(({ vertexes }) => vertexes ?? []).length, 100);
    assert.ok(bytes <= 16 << 20 && passing < 40_000, `${bytes} bytes, ${passing} updates`);
    assert.equal(updates.at(-1)?.statuses?.at(-1)?.current, 49_999n);
  });
});
