import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { DNS_LIMITS, type QueryBudget } from './limits.ts';
import { framed, readFrames } from './tcp-frames.ts';

/** Queries after which the other containers of the thread have their turn. */
const TURN = 32;

/**
 * Answers the queries of one connection, one after the other, until its client ends it. The next one is read when the answer has been taken:
 * of a client that sends without reading, no more is held than its last query and a socket's buffer. Rejects when the connection breaks
 * off or sends what is no query.
 */
export async function serveConnection(
  connection: Duplex,
  budget: QueryBudget,
  answer: (query: Buffer) => Promise<Buffer>,
): Promise<void> {
  const closed = new AbortController();
  connection.once('close', () => closed.abort());
  let answered = 0;
  for await (const query of readFrames(
    connection.iterator({ destroyOnReturn: false }),
    DNS_LIMITS.queryBytes,
  )) {
    for (let wait = budget.take(); wait > 0; wait = budget.take()) {
      await sleep(wait, undefined, { signal: closed.signal });
    }
    const isTaken = connection.write(framed(await answer(query)));
    if (!isTaken) await once(connection, 'drain', { signal: closed.signal });
    answered += 1;
    if (answered % TURN === 0) await nextTurn();
  }
}
