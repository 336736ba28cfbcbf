import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

export interface EngineCall {
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON with its content type; bytes and text are sent as they are. */
  readonly body?: object | string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface EngineAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Opens a request on a unix socket and answers when the headers are there. */
export function openEngine(
  socketPath: string,
  method: string,
  path: string,
  call: EngineCall = {},
): Promise<IncomingMessage> {
  const json = typeof call.body === 'object' && !(call.body instanceof Uint8Array);
  const body = json ? JSON.stringify(call.body) : (call.body as string | Uint8Array | undefined);
  return new Promise((resolve, reject) => {
    const sent = request({
      socketPath,
      method,
      path,
      agent: false,
      headers: { ...(json ? { 'content-type': 'application/json' } : {}), ...call.headers },
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    sent.once('error', reject);
    sent.once('response', resolve);
    sent.end(body);
  });
}

/** One whole request and answer on a unix socket. */
export async function callEngine(
  socketPath: string,
  method: string,
  path: string,
  call: EngineCall = {},
): Promise<EngineAnswer> {
  const response = await openEngine(socketPath, method, path, call);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}
