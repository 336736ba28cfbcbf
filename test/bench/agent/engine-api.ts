import { Agent, type IncomingMessage, request } from 'node:http';

/** Calls the Engine API without any command between. Throws where the answer is no success. */
export class EngineApi {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async call(method: string, path: string, body?: object): Promise<string> {
    return await (await this.#begin(method, path, body)).text;
  }

  /** Answers when the head of the answer has come; `text` is its body. */
  #begin(method: string, path: string, body?: object): Promise<{ readonly text: Promise<string> }> {
    return new Promise((resolve, reject) => {
      const json = body === undefined ? undefined : JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json ?? '') };
      const sent = request({
        socketPath: this.#socketPath,
        agent: this.#agent,
        method,
        path: `/v1.44${path}`,
        ...(json !== undefined && { headers }),
      });
      sent.on('error', reject);
      sent.on('response', (answer) => {
        if ((answer.statusCode ?? 500) < 400) resolve({ text: readText(answer) });
        else reject(new Error(`${method} ${path}: ${answer.statusCode}`));
      });
      sent.end(json);
    });
  }

  /** A container from its making to its removal, as a program without the docker command does it. */
  async runOnce(image: string): Promise<void> {
    const { Id } = JSON.parse(
      await this.call('POST', '/containers/create', { Image: image, Cmd: ['true'] }),
    ) as { readonly Id: string };
    const ended = await this.#begin('POST', `/containers/${Id}/wait?condition=next-exit`);
    await this.call('POST', `/containers/${Id}/start`);
    await ended.text;
    await this.call('DELETE', `/containers/${Id}`);
  }

  /** Pulls `NAME:TAG`. Throws where the pull fails, which its answer tells in its body. */
  async pull(image: string): Promise<void> {
    const text = await this.call('POST', `/images/create?fromImage=${encodeURIComponent(image)}`);
    const failure = text.split('\n').find((line) => line.includes('"errorDetail"'));
    if (failure !== undefined) throw new Error(`pull of ${image}: ${failure}`);
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return text;
}
