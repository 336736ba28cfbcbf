import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import tls from 'node:tls';
import { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { defer } from '../../../support/cleanup.ts';

describe('HttpExchange', () => {
  it('reads the trusted certificates once, not for each connection', async (t) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    defer(t, async () => void server.close());
    const { port } = server.address() as AddressInfo;
    const made = t.mock.method(tls, 'createSecureContext');
    const exchange = new HttpExchange();
    defer(t, async () => exchange.close());
    for (let time = 0; time < 3; time += 1) {
      const url = new URL(`https://127.0.0.1:${port}/v2/`);
      await assert.rejects(
        exchange.send({ method: 'GET', url, verifyCertificate: time === 0, signal: t.signal }),
        { code: 'EPROTO' },
      );
    }
    assert.equal(made.mock.callCount(), 1);
  });
});
