import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readProvenance } from '../../../../server/browse/provenance.ts';

const read = (document: unknown) => readProvenance(Buffer.from(JSON.stringify(document)));
const NOTHING = { materials: [], materialCount: 0 };

/** As buildx writes them by default: `--provenance=mode=min`, of a local folder. */
const BUILDX_02 = {
  builder: { id: 'https://ci.example/run/7' },
  buildType: 'https://mobyproject.org/buildkit@v1',
  materials: [
    { uri: 'pkg:docker/alpine@3.20?platform=linux%2Famd64', digest: { sha256: 'a'.repeat(64) } },
    { uri: '', digest: {} },
  ],
  invocation: { configSource: { entryPoint: 'Dockerfile' }, parameters: { frontend: 'dockerfile.v0' } },
  metadata: {
    buildInvocationID: 'abc',
    buildStartedOn: '2026-01-02T03:04:05.678Z',
    buildFinishedOn: '2026-01-02T03:05:05Z',
    'https://mobyproject.org/buildkit@v1#metadata': {
      vcs: { source: 'https://git.example/team/app', revision: 'c0ffee' },
    },
  },
};

describe('a provenance', () => {
  test('of buildx tells builder, source, materials and times, by SLSA 0.2 and 1', () => {
    const told = {
      builder: 'https://ci.example/run/7',
      source: 'https://git.example/team/app',
      revision: 'c0ffee',
      entryPoint: 'Dockerfile',
      invocation: 'abc',
      started: new Date('2026-01-02T03:04:05.678Z'),
      finished: new Date('2026-01-02T03:05:05Z'),
      materials: ['pkg:docker/alpine@3.20?platform=linux%2Famd64'],
      materialCount: 2,
    };
    assert.deepEqual(read({ predicate: BUILDX_02 }), {
      ...told,
      buildType: 'https://mobyproject.org/buildkit@v1',
    });
    const { builder, materials, metadata } = BUILDX_02;
    const buildType = 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md';
    const slsa1 = {
      buildDefinition: {
        buildType,
        externalParameters: { configSource: { path: 'Dockerfile' } },
        resolvedDependencies: materials,
      },
      runDetails: {
        builder,
        metadata: {
          invocationId: 'abc',
          startedOn: metadata.buildStartedOn,
          finishedOn: metadata.buildFinishedOn,
          buildkit_metadata: metadata['https://mobyproject.org/buildkit@v1#metadata'],
        },
      },
    };
    assert.deepEqual(read({ predicate: slsa1 }), { ...told, buildType });
    const payload = Buffer.from(JSON.stringify({ predicate: slsa1 })).toString('base64');
    assert.deepEqual(read({ dsseEnvelope: { payload, signatures: [] } }), { ...told, buildType });
  });

  test('tells a source that the builder fetched itself, and the workflow of GitHub', () => {
    const configSource = { uri: 'https://git.example/a.git#main', digest: { sha1: 'beef' } };
    const fetched = read({ predicate: { ...BUILDX_02, invocation: { configSource } } });
    assert.deepEqual([fetched.source, fetched.revision], [configSource.uri, 'beef']);
    const workflow = { repository: 'https://git.example/b', path: '.github/workflows/build.yml' };
    const { entryPoint, revision, source } = read({
      predicate: {
        buildDefinition: {
          externalParameters: { workflow },
          resolvedDependencies: [{}, { digest: { gitCommit: 'fade' } }],
        },
      },
    });
    assert.deepEqual([source, entryPoint, revision], [workflow.repository, workflow.path, 'fade']);
  });

  test('of a stranger is bounded, and what is not as it should be is left out', () => {
    for (const predicate of [
      { builder: {} },
      { builder: { id: 7 }, buildType: [], materials: 'x', metadata: 7, invocation: [] },
      {
        builder: {},
        materials: [null, 7, 'x', []],
        metadata: { buildStartedOn: 'never', buildFinishedOn: 1 },
      },
      { buildDefinition: {}, runDetails: 7 },
      { buildDefinition: { externalParameters: 7, resolvedDependencies: {} }, runDetails: { metadata: [] } },
    ]) {
      assert.deepEqual(read({ predicate }), NOTHING, JSON.stringify(predicate));
    }
    for (const document of [{}, { predicate: 7 }, { predicate: { builder: 'x' } }]) {
      assert.deepEqual(read(document), { problem: 'the provenance is not that of SLSA', ...NOTHING });
    }
    for (const text of ['', '[]', 'no JSON', '['.repeat(50_000), '{"payload":"!","signatures":[]}']) {
      assert.ok(readProvenance(Buffer.from(text)).problem, text.slice(0, 20));
    }
    const long = 'x'.repeat(10_000);
    const materials = Array.from({ length: 20_000 }, () => ({ uri: long }));
    const bounded = read({ predicate: { builder: { id: long }, buildType: long, materials } });
    assert.deepEqual([bounded.builder?.length, bounded.materialCount], [1000, 20_000]);
    assert.ok(JSON.stringify(bounded).length < 80_000);
  });
});
