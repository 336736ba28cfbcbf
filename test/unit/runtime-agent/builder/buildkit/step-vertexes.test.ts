import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BuildProgress } from '../../../../../runtime-agent/builder/builder.ts';
import { StepVertexes } from '../../../../../runtime-agent/builder/buildkit/builds/step-vertexes.ts';

const AT = new Date('2024-01-02T03:04:05Z');

function planned(id: string, inputs: string[] = []): BuildProgress {
  return { kind: 'planned', id, name: `step ${id}`, inputs };
}

describe('steps as vertexes', () => {
  test('a step keeps its digest from the plan to the end, and names its inputs by theirs', () => {
    const vertexes = new StepVertexes('build');
    const first = vertexes.update(planned('1'))?.vertexes?.[0];
    const second = vertexes.update(planned('2', ['1', 'nobody']))?.vertexes?.[0];
    assert.match(first?.digest ?? '', /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(second?.inputs, [first?.digest]);
    const done = vertexes.update({ kind: 'completed', id: '1', at: AT })?.vertexes?.[0];
    assert.equal(done?.digest, first?.digest);
    assert.equal(done?.name, 'step 1');
    assert.notEqual(done?.completed, undefined);
    // A step that was never said to start would be shown as waiting for ever.
    assert.notEqual(done?.started, undefined);
  });

  test('steps of two builds are different', () => {
    const digest = (build: string) => new StepVertexes(build).update(planned('1'))?.vertexes?.[0]?.digest;
    assert.notEqual(digest('a'), digest('b'));
  });

  test('cached and failed', () => {
    const vertexes = new StepVertexes('build');
    vertexes.update(planned('1'));
    assert.equal(vertexes.update({ kind: 'cached', id: '1', at: AT })?.vertexes?.[0]?.cached, true);
    assert.equal(vertexes.update({ kind: 'completed', id: '1', at: AT })?.vertexes?.[0]?.cached, true);
    vertexes.update(planned('2'));
    const failed = vertexes.update({ kind: 'failed', id: '2', at: AT, message: 'no' });
    assert.equal(failed?.vertexes?.[0]?.error, 'no');
  });

  test('a step that the build has made itself is not cached, although the build finds it when it begins again', () => {
    const vertexes = new StepVertexes('build');
    vertexes.update(planned('1'));
    const isCached = (kind: 'started' | 'cached' | 'completed') =>
      vertexes.update({ kind, id: '1', at: AT })?.vertexes?.[0]?.cached;
    // Its layer cannot be had, it is made, and found at the next attempt.
    const seen = (['cached', 'started', 'completed', 'cached', 'completed'] as const).map(isCached);
    assert.deepEqual(seen, [true, false, false, false, false]);
  });

  test('steps that only configure are not shown', () => {
    const vertexes = new StepVertexes('build');
    assert.equal(vertexes.update({ ...planned('1'), isConfigOnly: true } as BuildProgress), undefined);
    assert.equal(vertexes.update({ kind: 'started', id: '1', at: AT }), undefined);
    assert.equal(vertexes.update({ kind: 'completed', id: '1', at: AT }), undefined);
  });

  test('what a step does ends with it, or when all of it is there', () => {
    const vertexes = new StepVertexes('build');
    vertexes.update(planned('1'));
    const half = vertexes.update({ kind: 'progress', id: '1', what: 'x', current: 1, total: 2 });
    assert.equal(half?.statuses?.[0]?.completed, undefined);
    const full = vertexes.update({ kind: 'progress', id: '1', what: 'x', current: 2, total: 2 });
    assert.notEqual(full?.statuses?.[0]?.completed, undefined);
    vertexes.update({ kind: 'progress', id: '1', what: 'y', current: 7 });
    const end = vertexes.update({ kind: 'completed', id: '1', at: AT });
    assert.deepEqual(
      end?.statuses?.map(({ ID, current }) => [ID, current]),
      [['y', 7n]],
    );
  });

  test('output is clipped at 2 MiB, with a line that says so', () => {
    const vertexes = new StepVertexes('build');
    vertexes.update(planned('1'));
    const log = (bytes: number) =>
      vertexes.update({ kind: 'log', id: '1', stream: 'stdout', data: Buffer.alloc(bytes, 'x') })?.logs?.[0]
        ?.msg;
    assert.equal(log(2 << 20)?.length !== undefined, true);
    assert.equal(log(1), undefined);
    const other = new StepVertexes('other');
    other.update(planned('1'));
    const message = other.update({ kind: 'log', id: '1', stream: 'stderr', data: Buffer.alloc(3 << 20, 'x') })
      ?.logs?.[0];
    assert.match(
      Buffer.from(message?.msg ?? [])
        .subarray(2 << 20)
        .toString(),
      /^\n\[output clipped/,
    );
    assert.equal(message?.stream, 2n);
  });
});
