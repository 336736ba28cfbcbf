import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeFrontendOptions } from '../../../../../runtime-agent/builder/buildkit/frontend/frontend-options.ts';
import { splitCsv } from '../../../../../runtime-agent/builder/buildkit/frontend/options.ts';

function decode(options: Record<string, string>, images: Record<string, string> = {}) {
  return decodeFrontendOptions(new Map(Object.entries(options)), new Map(Object.entries(images)));
}

describe('options of the frontend', () => {
  test('none is the Dockerfile of the folder, for the host, with the cache', () => {
    const plan = decode({});
    assert.equal(plan.request.dockerfile, 'Dockerfile');
    assert.equal(plan.request.noCache, false);
    assert.equal(plan.request.network, 'default');
    assert.deepEqual(plan.platforms, []);
    assert.equal(plan.multiPlatform, false);
    assert.deepEqual(plan.context, { kind: 'folder', name: 'context' });
    assert.equal(plan.dockerfileFolder, 'dockerfile');
  });

  test('what buildx makes of its flags', () => {
    const plan = decode({
      filename: 'other.Dockerfile',
      target: 'prod',
      'build-arg:A': '1',
      'build-arg:SOURCE_DATE_EPOCH': '1700000000',
      'label:l': 'v',
      platform: 'linux/amd64,linux/arm64/v8',
      'no-cache': 'one,two',
      'image-resolve-mode': 'pull',
      'force-network-mode': 'none',
      'add-hosts': 'db=10.0.0.1,six=fd00::1',
      'shm-size': '1048576',
      ulimit: 'nofile=1024:2048,nproc=7',
      'build-arg:BUILDKIT_INLINE_CACHE': '1',
      'cache-imports': '[{"Type":"registry","Attrs":{"ref":"r/cache"}}]',
      'frontend.caps': 'moby.buildkit.frontend.contexts+forward',
      'vcs:revision': 'abc',
    });
    assert.equal(plan.request.dockerfile, 'other.Dockerfile');
    assert.equal(plan.request.target, 'prod');
    assert.equal(plan.request.buildArguments.get('A'), '1');
    assert.equal(plan.request.sourceDateEpoch, 1_700_000_000);
    assert.equal(plan.request.labels.get('l'), 'v');
    assert.deepEqual(plan.platforms, [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64', variant: 'v8' },
    ]);
    assert.equal(plan.multiPlatform, true);
    assert.deepEqual(plan.request.noCache, ['one', 'two']);
    assert.equal(plan.request.pull, true);
    assert.equal(plan.request.network, 'none');
    assert.deepEqual(plan.request.extraHosts, ['db:10.0.0.1', 'six:fd00::1']);
    assert.equal(plan.request.shmSize, 1_048_576);
    assert.deepEqual(plan.request.limits, {
      Ulimits: [
        { Name: 'nofile', Soft: 1024, Hard: 2048 },
        { Name: 'nproc', Soft: 7, Hard: 7 },
      ],
    });
    assert.deepEqual([...plan.request.buildArguments.keys()], ['A', 'SOURCE_DATE_EPOCH']);
    assert.deepEqual(plan.request.cacheFrom, [{ kind: 'registry', reference: 'r/cache' }]);
  });

  test('an empty no-cache is all steps', () => {
    assert.equal(decode({ 'no-cache': '' }).request.noCache, true);
  });

  test('contexts: folders, images, uploads, results of other builds', () => {
    const plan = decode(
      {
        context: 'http://buildkit-session/abc',
        'context:src': 'local:src',
        'context:base': 'docker-image://busybox:1',
        'context:other': 'input:0-other',
      },
      { '0-other': 'sha256:1' },
    );
    assert.deepEqual(plan.context, { kind: 'upload', path: '/abc' });
    assert.deepEqual(plan.namedContexts.get('src'), { kind: 'folder', name: 'src' });
    assert.deepEqual(plan.namedContexts.get('base'), { kind: 'image', reference: 'busybox:1' });
    assert.deepEqual(plan.namedContexts.get('other'), { kind: 'image', reference: 'sha256:1' });
  });

  test('git repositories as contexts', () => {
    const keeps = { 'build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR': '1' };
    const plan = decode({
      context: 'git@host:a/b#v1',
      'context:more': 'https://host/c.git?tag=v2',
      ...keeps,
    });
    assert.ok(plan.context.kind === 'git' && plan.context.url.keepsHistory);
    assert.equal(plan.context.url.ref, 'v1');
    const more = plan.namedContexts.get('more');
    assert.ok(more?.kind === 'git' && more.url.keepsHistory === undefined);
    assert.equal(more.url.ref, 'refs/tags/v2');
  });

  for (const [name, options, message] of [
    ['http', { context: 'https://host/context.tar' }, /the context at https.*is not fetched/],
    ['an OCI layout', { 'context:x': 'oci-layout://s@sha256:1' }, /OCI layout, which is not supported/],
    ['an unknown result', { 'context:x': 'input:nope' }, /context x is the result of no build/],
    ['an SBOM', { 'attest:sbom': 'generator=x' }, /--sbom is not supported/],
    ['another attestation', { 'attest:vex': '' }, /attestation "vex" is not supported/],
    ['a mode of provenance', { 'attest:provenance': 'mode=all' }, /neither min nor max/],
    [
      'a cache elsewhere',
      { 'cache-imports': '[{"Type":"azblob","Attrs":{"name":"x"}}]' },
      /type=azblob is not supported/,
    ],
    ['a cache without a reference', { 'cache-imports': '[{"Type":"registry"}]' }, /needs ref=/],
    ['no JSON', { 'cache-imports': '[' }, /is not JSON/],
    ['a network', { 'force-network-mode': 'mine' }, /network mode "mine"/],
    ['a platform', { platform: 'dos' }, /"dos": unknown operating system or architecture/],
    ['a size', { 'shm-size': '1g' }, /--shm-size is "1g"/],
    ['a ulimit', { ulimit: 'nofile' }, /--ulimit nofile is none/],
    ['another frontend', { 'build-arg:BUILDKIT_SYNTAX': 'x' }, /argument BUILDKIT_SYNTAX is not supported/],
    ['--print', { requestid: 'frontend.outline' }, /--check, --call and --print are not supported/],
    ['--cgroup-parent', { 'cgroup-parent': 'x' }, /--cgroup-parent is not supported/],
    ['what nobody knows', { 'brand-new': '1' }, /build option "brand-new" is not supported/],
  ] as const) {
    test(`refused: ${name}`, () => {
      assert.throws(() => decode(options), message);
    });
  }

  test("provenance: buildx's own wish is for indexes only, a user's counts", () => {
    const provenance = (value: string) => decode({ 'attest:provenance': value }).attestations.provenance;
    assert.equal(provenance('mode=min,inline-only=true'), undefined);
    assert.equal(provenance('mode=max'), 'max');
    assert.equal(provenance(''), 'min');
  });
});

test('values with commas are quoted as Go quotes them', () => {
  assert.deepEqual(splitCsv('a,"b,""c""",,d'), ['a', 'b,"c"', '', 'd']);
  assert.deepEqual(splitCsv(''), []);
  assert.throws(() => splitCsv('a"b'), /not a list of values/);
});
