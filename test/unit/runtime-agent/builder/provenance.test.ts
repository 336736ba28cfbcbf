import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FinishedBuild, provenance } from '../../../../runtime-agent/builder/provenance.ts';

const BUILD: FinishedBuild = {
  id: 'ref',
  request: {
    dockerfile: 'Dockerfile',
    target: 'prod',
    buildArguments: new Map([
      ['TOKEN', 'secret'],
      ['UNSET', undefined],
    ]),
    labels: new Map([['l', 'v']]),
    noCache: false,
    network: 'default',
  },
  image: { materials: [{ uri: 'pkg:docker/busybox@1', digest: `sha256:${'a'.repeat(64)}` }] },
  platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
  startedAt: new Date('2024-01-02T03:04:05Z'),
  finishedAt: new Date('2024-01-02T03:05:06Z'),
};

test('a provenance says what went in; arguments only where all is asked for', () => {
  const { predicateType, predicate } = provenance(BUILD, 'max');
  assert.equal(predicateType, 'https://slsa.dev/provenance/v0.2');
  assert.deepEqual(predicate, {
    builder: { id: '' },
    buildType: 'https://mobyproject.org/buildkit@v1',
    materials: [{ uri: 'pkg:docker/busybox@1', digest: { sha256: 'a'.repeat(64) } }],
    invocation: {
      configSource: { entryPoint: 'Dockerfile' },
      parameters: {
        frontend: 'dockerfile.v0',
        args: { 'build-arg:TOKEN': 'secret', 'label:l': 'v', target: 'prod' },
        locals: [{ name: 'context' }, { name: 'dockerfile' }],
      },
      environment: { platform: 'linux/arm64/v8' },
    },
    metadata: {
      buildInvocationID: 'ref',
      buildStartedOn: '2024-01-02T03:04:05.000Z',
      buildFinishedOn: '2024-01-02T03:05:06.000Z',
      completeness: { parameters: true, environment: true, materials: false },
      reproducible: false,
    },
  });
  assert.doesNotMatch(JSON.stringify(provenance(BUILD, 'min')), /secret/);
});
