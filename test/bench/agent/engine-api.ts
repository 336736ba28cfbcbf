import { Agent, request } from 'node:http';

/** Calls the Engine API without any command between. Throws where the answer is no success. */
export class EngineApi {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  call(method: string, path: string, body?: object): Promise<string> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(
        {
          socketPath: this.#socketPath,
          agent: this.#agent,
          method,
          path: `/v1.44${path}`,
          ...(text !== undefined && {
            headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
          }),
        },
        (answer) => {
          let received = '';
          answer.setEncoding('utf8');
          answer.on('data', (chunk) => {
            received += chunk;
          });
          answer.on('error', reject);
          answer.on('end', () => {
            if ((answer.statusCode ?? 500) < 400) resolve(received);
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${received}`));
          });
        },
      );
      sent.on('error', reject);
      sent.end(text);
    });
  }

  /** A container from its making to its removal, as a program without the docker command does it. */
  async runOnce(image: string): Promise<void> {
    const { Id } = JSON.parse(
      await this.call('POST', '/containers/create', { Image: image, Cmd: ['true'] }),
    ) as { readonly Id: string };
    const ended = this.call('POST', `/containers/${Id}/wait?condition=next-exit`);
    await this.call('POST', `/containers/${Id}/start`);
    await ended;
    await this.call('DELETE', `/containers/${Id}`);
  }

  close(): void {
    this.#agent.destroy();
  }
}
