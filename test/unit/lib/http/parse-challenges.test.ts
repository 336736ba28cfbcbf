import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseChallenges } from '../../../../lib/http/parse-challenges.ts';
import { fc } from '../../../support/properties.ts';

describe('parseChallenges', () => {
  it('reads what registries send', () => {
    assert.deepEqual(
      parseChallenges(
        'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"',
      ),
      [
        {
          scheme: 'bearer',
          parameters: {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:a:pull,push',
          },
        },
      ],
    );
    assert.deepEqual(parseChallenges('Basic realm="Registry Realm"'), [
      { scheme: 'basic', parameters: { realm: 'Registry Realm' } },
    ]);
  });

  it('reads several, without parameters, unquoted, and with escapes', () => {
    assert.deepEqual(
      parseChallenges('Negotiate, BASIC Realm = x , , Bearer realm="a \\"b\\" \\\\c", error=invalid'),
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'x' } },
        { scheme: 'bearer', parameters: { realm: 'a "b" \\c', error: 'invalid' } },
      ],
    );
  });

  it('stops at what is malformed', () => {
    assert.deepEqual(parseChallenges(''), []);
    assert.deepEqual(parseChallenges('"quoted"'), []);
    assert.deepEqual(parseChallenges('realm="x"'), []);
    assert.deepEqual(parseChallenges('Basic realm="open'), [{ scheme: 'basic', parameters: {} }]);
    assert.deepEqual(parseChallenges('Basic realm="x" \u0001 Bearer'), [
      { scheme: 'basic', parameters: { realm: 'x' } },
    ]);
  });

  it('ends for every text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => Array.isArray(parseChallenges(text))));
  });
});
