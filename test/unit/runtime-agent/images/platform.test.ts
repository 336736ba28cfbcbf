import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '../../../../oci/manifest.ts';
import { choosePlatform, platformText } from '../../../../runtime-agent/images/platform.ts';

describe('choosePlatform', () => {
  const member = (number: number, platform?: Descriptor['platform']): Descriptor => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${String(number).repeat(64)}`,
    size: 1,
    ...(platform && { platform }),
  });
  const members = [
    member(1),
    member(2, { os: 'unknown', architecture: 'unknown' }),
    member(3, { os: 'windows', architecture: 'amd64' }),
    member(4, { os: 'linux', architecture: 'arm64' }),
    member(5, { os: 'linux', architecture: 'arm', variant: 'v6' }),
    member(6, { os: 'linux', architecture: 'arm', variant: 'v7' }),
    member(7, { os: 'linux', architecture: 'amd64' }),
    member(8, { os: 'linux', architecture: 'amd64', variant: 'v3' }),
  ];
  const chosen = (os: string, architecture: string, variant?: string) =>
    members.indexOf(
      choosePlatform(members, { os, architecture, ...(variant && { variant }) }) as Descriptor,
    ) + 1;

  it('takes the first that fits, and no attestation', () => {
    assert.equal(chosen('linux', 'amd64'), 7);
    assert.equal(chosen('linux', 'amd64', 'v3'), 8);
    assert.equal(chosen('linux', 'arm'), 5);
    assert.equal(chosen('linux', 'arm', 'v7'), 6);
    assert.equal(chosen('linux', 'arm', 'v8'), 0);
    assert.equal(chosen('linux', 'arm64', 'v8'), 4);
    assert.equal(chosen('linux', 's390x'), 0);
    assert.equal(chosen('windows', 'amd64'), 3);
  });

  it('is worded as docker words it', () => {
    assert.equal(platformText({ os: 'linux', architecture: 'arm', variant: 'v7' }), 'linux/arm/v7');
    assert.equal(platformText({ os: 'linux', architecture: 'amd64' }), 'linux/amd64');
  });
});
