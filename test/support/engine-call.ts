import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { Socket } from 'node:net';

export interface EngineCallAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A connection that was taken over. */
export interface EngineStream {
  readonly socket: Socket;
  /** All that has come. */
  received(): string;
  /** Waits until what has come matches. Throws when the connection ends before. */
  until(pattern: RegExp): Promise<void>;
  /** Waits until the agent has closed it. */
  end(): Promise<void>;
}

/** One whole call of an agent's API, with a JSON body where one is given. */
export async function callEngineAt(
  socketPath: string,
  method: string,
  path: string,
  body?: object,
  signal?: AbortSignal,
): Promise<EngineCallAnswer> {
  const headers = jsonHeaders(body);
  const sent = request({ socketPath, method, path, agent: false, headers, ...(signal && { signal }) });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

/** Posts a body and takes the connection over. Throws where the agent does not let it. */
export async function openEngineStream(
  socketPath: string,
  path: string,
  body: object,
): Promise<EngineStream> {
  const headers = { ...jsonHeaders(body), connection: 'Upgrade', upgrade: 'tcp' };
  const sent = request({ socketPath, method: 'POST', path, agent: false, headers });
  sent.end(JSON.stringify(body));
  const [, socket, head] = (await once(sent, 'upgrade')) as [unknown, Socket, Buffer];
  let text = head.toString('latin1');
  let ended = false;
  let wake = () => {};
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  socket.once('close', () => {
    ended = true;
    wake();
  });
  socket.on('error', () => socket.destroy());
  const wait = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  return {
    socket,
    received: () => text,
    until: async (pattern) => {
      while (!pattern.test(text)) {
        if (ended) throw new Error(`the stream ended without ${pattern}: ${text}`);
        await wait();
      }
    },
    end: async () => {
      socket.end();
      while (!ended) await wait();
    },
  };
}

function jsonHeaders(body: object | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-type': 'application/json' };
}
