import { sendRequest } from '../support/http-client.ts';
import { digestOf } from '../support/registry-client.ts';
import type { Measurement } from './measurement.ts';

/** Asks `count` times for a blob and measures the answer that sends the client to the storage; the median. */
export function measureRedirects(count: number): Measurement {
  return async (server, round) => {
    const content = Buffer.from(`${server.name} ${round}`);
    const digest = digestOf(content);
    const begun = await sendRequest(`${server.url}/v2/bench/away/blobs/uploads/`, {
      method: 'POST',
      body: '',
    });
    const session = new URL(begun.headers.location ?? '', server.url);
    session.searchParams.append('digest', digest);
    await sendRequest(session.href, { method: 'PUT', body: content });
    const url = `${server.url}/v2/bench/away/blobs/${digest}`;
    const times: number[] = [];
    for (let number = 0; number < count; number += 1) {
      const start = performance.now();
      const { status } = await sendRequest(url);
      times.push(performance.now() - start);
      if (status !== 307) throw new Error(`GET ${url} answered ${status}`);
    }
    const median = times.sort((a, b) => a - b)[Math.floor(count / 2)] ?? Number.NaN;
    return [{ name: 'blob GET, redirected', unit: 'ms', better: 'lower', value: median }];
  };
}
