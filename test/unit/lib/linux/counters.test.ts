import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseNetworkCounters } from '../../../../lib/linux/network/network-counters.ts';
import { parseSystemCpu } from '../../../../lib/linux/system-cpu.ts';

describe('counters of the kernel', () => {
  it('reads /proc/net/dev without loopback', () => {
    const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 1286      13    1    2    0     0          0         0      476       6    3    4    0     0       0          0
eth10:99999999999 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0
`;
    assert.deepEqual(parseNetworkCounters(table), {
      eth0: {
        ...{ rxBytes: 1286, rxPackets: 13, rxErrors: 1, rxDropped: 2 },
        ...{ txBytes: 476, txPackets: 6, txErrors: 3, txDropped: 4 },
      },
      eth10: {
        ...{ rxBytes: 99_999_999_999, rxPackets: 1, rxErrors: 0, rxDropped: 0 },
        ...{ txBytes: 5, txPackets: 1, txErrors: 0, txDropped: 0 },
      },
    });
  });

  it('sums the time of all processors, guests not twice', () => {
    const text =
      'cpu  10 1 20 300 4 5 6 7 8 9\ncpu0 5 0 10 150 2 2 3 3 4 4\ncpu1 5 1 10 150 2 3 3 4 4 5\nintr 1\n';
    assert.deepEqual(parseSystemCpu(text), { total: 346 * 10_000_000, online: 2 });
  });
});
