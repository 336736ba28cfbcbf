import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withCleanup } from '../support/cleanup.ts';
import type { HttpAnswer } from '../support/http-client.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { fc } from '../support/properties.ts';
import { digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

/** What the uploads of one repository should be. */
interface Model {
  readonly open: { location: string; content: string }[];
  /** With the digest of the blob that each became; those that were cancelled have none. */
  readonly ended: { location: string; digest?: string }[];
  readonly blobs: Map<string, string>;
}

/** What they are. `registry` is another one after each restart. */
interface Real {
  registry: InProcessRegistry;
  readonly repository: string;
  readonly restart: () => Promise<void>;
}

type Command = fc.AsyncCommand<Model, Real>;
type Order = 'unsaid' | 'in order' | 'too far' | 'again' | 'longer than it is' | 'no range';

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

/** A command on the upload that `pick` chooses; not run when there is none. */
function onUpload(
  name: string,
  pick: number,
  run: (upload: Model['open'][number], model: Model, real: Real) => Promise<void>,
): Command {
  return {
    check: ({ open }) => open.length > 0,
    run: async (model, real) => {
      const upload = model.open[pick % model.open.length];
      assert.ok(upload !== undefined);
      await run(upload, model, real);
    },
    toString: () => `${name} of upload ${pick}`,
  };
}

function rangeOf(order: Order, size: number, length: number): string | undefined {
  switch (order) {
    case 'unsaid':
      return undefined;
    case 'in order':
      return `${size}-${size + length - 1}`;
    case 'too far':
      return `${size + 1}-${size + length}`;
    case 'again':
      // Of an empty upload nothing can come again.
      return size === 0 ? `1-${length}` : `0-${length - 1}`;
    case 'longer than it is':
      return `${size}-${size + length}`;
    case 'no range':
      return `${size}`;
  }
}

function expectStatus(answer: HttpAnswer, upload: Model['open'][number]): void {
  assert.equal(answer.headers.range, `0-${Math.max(0, upload.content.length - 1)}`);
  assert.ok(answer.headers.location?.startsWith(upload.location.split('?')[0] ?? ''));
}

function forget(model: Model, upload: Model['open'][number], digest?: string): void {
  model.open.splice(model.open.indexOf(upload), 1);
  model.ended.push({ location: upload.location, ...(digest !== undefined && { digest }) });
}

const begin = (query: string) =>
  command(`begin ${query}`, async (model, { registry, repository }) => {
    const answer = await registry.send('POST', `/v2/${repository}/blobs/uploads/${query}`);
    assert.equal(answer.status, 202);
    model.open.push({ location: answer.headers.location ?? '', content: '' });
  });

const patch = (pick: number, text: string, order: Order) =>
  onUpload(`patch ${text} ${order}`, pick, async (upload, _, { registry }) => {
    const range = rangeOf(order, upload.content.length, text.length);
    const answer = await registry.send('PATCH', upload.location, {
      body: text,
      headers: range === undefined ? {} : { 'Content-Range': range },
    });
    if (order === 'unsaid' || order === 'in order') {
      assert.equal(answer.status, 202, answer.body.toString());
      upload.content += text;
    } else expectError(answer, 416, 'SIZE_INVALID');
    expectStatus(answer, upload);
  });

const put = (pick: number, text: string, order: Order, digest: 'sha256' | 'sha512' | 'wrong') =>
  onUpload(`put "${text}" ${order} ${digest}`, pick, async (upload, model, { registry, repository }) => {
    const range = text === '' ? undefined : rangeOf(order, upload.content.length, text.length);
    const whole = upload.content + text;
    const name = digest === 'wrong' ? digestOf(`${whole}, but not`) : digestOf(whole, digest);
    const answer = await registry.send(
      'PUT',
      `${upload.location}${upload.location.includes('?') ? '&' : '?'}digest=${name}`,
      {
        body: text,
        headers: range === undefined ? {} : { 'Content-Range': range },
      },
    );
    if (range !== undefined && order !== 'in order') {
      expectError(answer, 416, 'SIZE_INVALID');
      expectStatus(answer, upload);
      return;
    }
    if (digest === 'wrong') {
      expectError(answer, 400, 'DIGEST_INVALID');
      upload.content = whole;
      return;
    }
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(answer.headers.location, `/v2/${repository}/blobs/${name}`);
    model.blobs.set(name, whole);
    forget(model, upload, name);
  });

const status = (pick: number) =>
  onUpload('status', pick, async (upload, _, { registry }) => {
    const answer = await registry.send('GET', upload.location);
    assert.equal(answer.status, 204);
    expectStatus(answer, upload);
  });

const cancel = (pick: number) =>
  onUpload('cancel', pick, async (upload, model, { registry }) => {
    assert.equal((await registry.send('DELETE', upload.location)).status, 204);
    forget(model, upload);
  });

const look = command('look', async ({ ended, blobs }, { registry, repository }) => {
  for (const { location } of ended) {
    expectError(await registry.send('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN');
  }
  for (const [digest, content] of blobs) {
    const pulled = await registry.send('GET', `/v2/${repository}/blobs/${digest}`);
    assert.equal(pulled.body.toString(), content);
  }
});

/** What a client does that has not got the answer to its closing PUT. */
const closeAgain = command('close again', async ({ ended }, { registry, repository }) => {
  for (const { location, digest } of ended) {
    const name = digest ?? digestOf('never pushed');
    const closing = `${location}${location.includes('?') ? '&' : '?'}digest=${name}`;
    const again = await registry.send('PUT', closing);
    if (digest === undefined) expectError(again, 404, 'BLOB_UPLOAD_UNKNOWN');
    else assert.equal(again.headers.location, `/v2/${repository}/blobs/${digest}`);
  }
});

const restart = command('restart', (_, real) => real.restart());

const pick = fc.nat({ max: 3 });
const order = fc.constantFrom<Order>(
  'unsaid',
  'in order',
  'in order',
  'too far',
  'again',
  'longer than it is',
  'no range',
);
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 12 });
const digest = fc.constantFrom('sha256' as const, 'sha512' as const, 'wrong' as const);
const COMMANDS = [
  fc.constantFrom('', '?digest-algorithm=sha512').map(begin),
  fc.tuple(pick, text, order).map(([which, body, how]) => patch(which, body, how)),
  fc.tuple(pick, text, order).map(([which, body, how]) => patch(which, body, how)),
  fc
    .tuple(pick, fc.option(text, { nil: '' }), order, digest)
    .map(([which, body, how, name]) => put(which, body, how, name)),
  pick.map(status),
  pick.map(cancel),
  fc.constant(look),
  fc.constant(restart),
];

test('uploads do what a model of them does, in any order of requests and restarts', {
  timeout: 900_000,
}, async () => {
  await withCleanup(async (scope) => {
    let registry = await startInProcessRegistry(scope);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.commands(COMMANDS, { size: '+1' }), async (commands) => {
        runs += 1;
        const real: Real = {
          registry,
          repository: `team/app${runs}`,
          restart: async () => {
            await registry.stop();
            registry = await startInProcessRegistry(scope, { data: registry.data });
            real.registry = registry;
          },
        };
        const model: Model = { open: [], ended: [], blobs: new Map() };
        await fc.asyncModelRun(() => ({ model, real }), commands);
        await look.run(model, real);
        await closeAgain.run(model, real);
        for (const upload of model.open) expectStatus(await registry.send('GET', upload.location), upload);
      }),
      { numRuns: 60 },
    );
  });
});
