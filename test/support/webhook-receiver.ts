import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { type CleanupScope, defer } from './cleanup.ts';
import { freePort } from './free-port.ts';

/** A delivery that the receiver got. */
export interface ReceivedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Whether the signature is right. */
  readonly signed: boolean;
  readonly contentType: string;
}

export interface WebhookReceiver {
  readonly url: string;
  readonly received: ReceivedEvent[];
  /** What it answers; a function decides by event. */
  answer: (event: ReceivedEvent) => number;
  /** Ends it; connections are refused then. */
  stop(): Promise<void>;
  /** Begins anew on the same port. */
  start(): Promise<void>;
}

/** Starts a receiver of webhooks on a free port of 127.0.0.1. */
export async function startWebhookReceiver(scope: CleanupScope, secret: string): Promise<WebhookReceiver> {
  const received: ReceivedEvent[] = [];
  let server: Server | undefined;
  const port = await freePort();
  const start = async () => {
    server = createServer(async (req, res) => {
      const body = await text(req);
      const timestamp = String(req.headers['x-berth-timestamp']);
      const expected = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
      const recent = Math.abs(Date.now() / 1000 - Number(timestamp)) < 300;
      const event: ReceivedEvent = {
        ...JSON.parse(body),
        signed: recent && req.headers['x-berth-signature-256'] === `sha256=${expected}`,
        contentType: String(req.headers['content-type']),
      };
      const status = receiver.answer(event);
      if (status < 300) received.push(event);
      res.writeHead(status, status === 302 ? { Location: '/elsewhere' } : {}).end();
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(port, '127.0.0.1', resolve);
    await promise;
  };
  const stop = async () => {
    const ending = server;
    server = undefined;
    if (ending === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    ending.close(() => resolve());
    ending.closeAllConnections();
    await promise;
  };
  await start();
  defer(scope, stop);
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${port}/events`,
    received,
    answer: () => 204,
    start,
    stop,
  };
  return receiver;
}
