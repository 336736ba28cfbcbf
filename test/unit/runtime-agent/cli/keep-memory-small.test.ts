import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepMemorySmall } from '../../../../runtime-agent/cli/keep-memory-small.ts';

const MEGABYTE = 1 << 20;

describe('keepMemorySmall', () => {
  it('gives memory back when the process has grown, and not again while it stays as it is', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    let resident = 0;
    let trims = 0;
    const look = async (megabytes: number) => {
      resident = megabytes * MEGABYTE;
      t.mock.timers.tick(2_000);
      await new Promise((resolve) => setImmediate(resolve));
      return trims;
    };
    const end = keepMemorySmall({
      resident: () => resident,
      utilization: () => 1,
      collect: () => assert.fail('the agent was busy'),
      release: async () => assert.fail('the agent was busy'),
      trim: async () => {
        trims += 1;
        resident -= 20 * MEGABYTE;
      },
    });
    assert.equal(await look(100), 1);
    assert.equal(await look(80), 1);
    assert.equal(await look(87), 1);
    assert.equal(await look(89), 2);
    // What it has come down to by itself is what it grows from.
    assert.equal(await look(60), 2);
    assert.equal(await look(69), 3);
    end();
    assert.equal(await look(200), 3);
  });

  it('collects once what the start has left', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    let used = 0.01;
    let collections = 0;
    const end = keepMemorySmall({
      resident: () => 100 * MEGABYTE,
      utilization: () => used,
      trim: async () => undefined,
      release: async () => undefined,
      collect: () => {
        collections += 1;
      },
    });
    const look = async (utilization: number) => {
      used = utilization;
      t.mock.timers.tick(2_000);
      await new Promise((resolve) => setImmediate(resolve));
      return collections;
    };
    for (let idle = 1; idle < 15; idle += 1) assert.equal(await look(0.01), 0);
    assert.equal(await look(0.5), 0, 'busy');
    assert.equal(await look(0.01), 1);
    for (let idle = 0; idle < 30; idle += 1) assert.equal(await look(0.01), 1);
    end();
  });

  it('collects what a large build has left when there is nothing to do, and not again while that stays', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    let resident = 0;
    let used = 0;
    const collections: number[] = [];
    const look = async (megabytes: number, utilization: number) => {
      resident = megabytes * MEGABYTE;
      used = utilization;
      t.mock.timers.tick(2_000);
      await new Promise((resolve) => setImmediate(resolve));
      return collections.length;
    };
    const end = keepMemorySmall({
      resident: () => resident,
      utilization: () => used,
      trim: async () => undefined,
      release: async () => undefined,
      collect: () => {
        collections.push(resident / MEGABYTE);
        resident -= 50 * MEGABYTE;
      },
    });
    assert.equal(await look(100, 0), 0);
    assert.equal(await look(170, 0.5), 0, 'busy');
    assert.equal(await look(170, 0.01), 1);
    assert.equal(await look(120, 0.01), 1);
    assert.equal(await look(183, 0.01), 1);
    assert.equal(await look(184, 0.01), 2);
    end();
    assert.equal(await look(400, 0), 2);
  });
});
