import { once } from 'node:events';
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CleanupScope, defer } from './cleanup.ts';

/** The faults of a request; none by default. */
export interface Fault {
  /** Milliseconds before the request is passed on. */
  readonly delay?: number;
  /** Answers this without passing the request on. */
  readonly answer?: { readonly status: number; readonly code: string };
  /** Cuts the connection when so many bytes of the answer's body have been passed on. */
  readonly cutAfter?: number;
  /** Passes the request on, waits for the whole answer, and cuts the connection instead of giving it. */
  readonly loseAnswer?: boolean;
  /** Milliseconds that the answer is kept back when it is there. */
  readonly lateBy?: number;
  /** Passes the head of the answer and so many bytes of its body on, and then nothing more. */
  readonly stallAfter?: number;
}

export interface FaultProxy {
  readonly url: string;
  /** Asked about each request; `count` is how many have come, from 1. */
  setFaults(decide: (request: IncomingMessage, count: number) => Fault | undefined): void;
  /** `METHOD path?query` of the requests so far. */
  readonly requests: readonly string[];
}

/**
 * Starts a proxy on loopback that injects faults between a client and `target`. The Host header is passed on unchanged,
 * so that signatures stay valid.
 */
export async function startFaultProxy(scope: CleanupScope, target: string): Promise<FaultProxy> {
  let decide: (request: IncomingMessage, count: number) => Fault | undefined = () => undefined;
  const requests: string[] = [];
  const server = createServer((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    const fault = decide(req, requests.length) ?? {};
    pass(new URL(req.url ?? '/', target), req, res, fault).catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    setFaults: (next) => {
      decide = next;
    },
  };
}

async function pass(url: URL, req: IncomingMessage, res: ServerResponse, fault: Fault): Promise<void> {
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  if (fault.delay !== undefined) await sleep(fault.delay, undefined, { signal: gone.signal });
  if (fault.answer !== undefined) {
    req.resume();
    res.writeHead(fault.answer.status, { 'Content-Type': 'application/xml' });
    res.end(`<Error><Code>${fault.answer.code}</Code><Message>made up</Message></Error>`);
    return;
  }
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const onward = forward(url, { method: req.method ?? 'GET', headers: req.headers, agent: false }, resolve);
    onward.on('error', reject);
    req.pipe(onward);
    res.on('close', () => onward.destroy());
  });
  if (fault.loseAnswer === true) {
    for await (const _ of answer);
    res.destroy();
    return;
  }
  if (fault.lateBy !== undefined) await sleep(fault.lateBy, undefined, { signal: gone.signal });
  res.writeHead(answer.statusCode ?? 502, answer.headers);
  let sent = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const left = (fault.cutAfter ?? fault.stallAfter ?? Number.POSITIVE_INFINITY) - sent;
    if (left <= chunk.length) {
      res.write(chunk.subarray(0, left), () => fault.cutAfter !== undefined && res.destroy());
      return;
    }
    sent += chunk.length;
    if (!res.write(chunk)) await once(res, 'drain', { signal: gone.signal });
  }
  res.end();
}
