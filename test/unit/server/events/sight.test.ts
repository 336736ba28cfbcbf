import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ANONYMOUS,
  type Identity,
  OPEN_ACCESS,
  type Proof,
  RIGHTS_ACCESS,
} from '../../../../auth/access/access.ts';
import { ALL_RIGHTS, limitedTo, managesOf, type Rights } from '../../../../auth/access/rights.ts';
import { parseLimits } from '../../../../auth/administration/limits.ts';
import { sightOf } from '../../../../server/events/event-routes.ts';
import type { Audience } from '../../../../server/events/feed-event.ts';

const AUDIENCES: Readonly<Record<string, Audience>> = {
  image: { kind: 'repository', name: 'team/app' },
  other: { kind: 'repository', name: 'secret/app' },
  app: { kind: 'app', name: 'team/app' },
  hosts: { kind: 'hosts' },
  administrators: { kind: 'administrators' },
};

const reading = (pattern: string): Rights => ({
  admin: false,
  grants: [{ pattern, actions: ['pull'] }],
  lists: true,
});
const ada = (rights: Rights, proof: Proof): Identity => ({ kind: 'user', name: 'ada', rights, proof });
const token = (rights: Rights, ...scopes: readonly string[]): Identity => {
  const limits = scopes.length === 0 ? undefined : parseLimits(scopes);
  const proof = { kind: 'credential', id: 'x', manages: managesOf(limits) } as const;
  return ada(limitedTo(rights, limits), proof);
};
const password = { kind: 'password' } as const;

const SEES: Readonly<Record<string, readonly [identity: Identity, seen: string]>> = {
  'a visitor': [ANONYMOUS, ''],
  'a visitor of what is public': [{ kind: 'anonymous', rights: reading('team/*') }, 'image'],
  'a visitor where all is public': [{ kind: 'anonymous', rights: reading('*') }, 'image other'],
  'a reader': [ada(reading('team/*'), password), 'image app'],
  'a reader of everything': [ada(reading('*'), password), 'image other app hosts'],
  'an administrator': [ada(ALL_RIGHTS, password), 'image other app hosts administrators'],
  'the same in a browser': [ada(ALL_RIGHTS, { kind: 'provider' }), 'image other app hosts administrators'],
  'a token of an administrator': [token(ALL_RIGHTS), 'image other app hosts'],
  'one for the audit': [token(ALL_RIGHTS, 'registry:audit'), 'administrators'],
  'one to read the API': [token(ALL_RIGHTS, 'registry:read'), 'app hosts administrators'],
  'one for images': [token(ALL_RIGHTS, 'team/*:pull'), 'image'],
  'one for images and apps': [token(ALL_RIGHTS, 'team/*:pull', 'registry:apps'), 'image app'],
  'one for the audit, of a reader': [token(reading('team/*'), 'registry:audit'), ''],
  'a token of another token server': [ada(ALL_RIGHTS, { kind: 'bearer' }), 'image other'],
  'a job': [{ kind: 'job', name: 'job:x', rights: reading('*'), proof: password }, 'image other'],
  'a host': [{ kind: 'host', name: 'host:x', rights: reading('*'), proof: password }, 'image other'],
};

const seenBy = (identity: Identity, access = RIGHTS_ACCESS) => {
  const sees = sightOf(access, identity);
  const data = { at: '' };
  return Object.entries(AUDIENCES)
    .flatMap(([name, audience]) => (sees({ name: 'change', audience, data }) ? [name] : []))
    .join(' ');
};

for (const [who, [identity, seen]] of Object.entries(SEES)) {
  test(`${who} gets events about ${seen === '' ? 'nothing' : seen}`, () => {
    assert.equal(seenBy(identity), seen);
  });
}

test('without accounts everybody gets all that there is', () => {
  assert.equal(seenBy(ANONYMOUS, OPEN_ACCESS), 'image other administrators');
});
