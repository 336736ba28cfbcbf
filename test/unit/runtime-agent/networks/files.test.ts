import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  addToHosts,
  hostsFile,
  ownNames,
  parseResolvConf,
  planResolvConf,
  removeFromHosts,
} from '../../../../runtime-agent/networks/plan/etc-files.ts';

describe('/etc/hosts', () => {
  test('gets and loses lines, and keeps what the container wrote', () => {
    const first = hostsFile([{ address: '172.17.0.2', names: ['ship'] }]);
    assert.match(first, /^127\.0\.0\.1\tlocalhost\n/);
    assert.match(first, /\n172\.17\.0\.2\tship\n$/);
    const own = `${first}10.0.0.1 mine`;
    const added = addToHosts(own, { address: '172.18.0.3', names: ['ship.sea', 'ship'] });
    assert.match(added, /\n10\.0\.0\.1 mine\n172\.18\.0\.3\tship\.sea ship\n$/);
    assert.equal(removeFromHosts(added, '172.18.0.3'), `${own}\n`);
    assert.doesNotMatch(removeFromHosts(added, '172.17.0.2'), /172\.17/);
  });
  test('names a container with its domain', () => {
    assert.deepEqual(ownNames('h', 'example.org'), ['h.example.org', 'h']);
  });
});

describe('/etc/resolv.conf', () => {
  const host = parseResolvConf(
    '# by hand\nnameserver 10.0.0.53\nnameserver 10.0.0.54 ; two\nsearch a b\noptions rotate\n',
  );
  const nothing = { servers: [], search: [], options: [] };
  test('is read', () => {
    assert.deepEqual(host, {
      nameservers: ['10.0.0.53', '10.0.0.54'],
      search: ['a', 'b'],
      options: ['rotate'],
    });
  });
  test("has the host's servers where there are no names to know", () => {
    assert.deepEqual(planResolvConf(host, nothing, false), {
      text: 'nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch a b\noptions rotate\n',
      resolver: false,
      upstream: ['10.0.0.53', '10.0.0.54'],
    });
  });
  test('has the resolver where there are, and what a client chose', () => {
    const { text, upstream } = planResolvConf(
      host,
      { servers: ['1.1.1.1'], search: ['.'], options: ['ndots:3'] },
      true,
    );
    assert.equal(text, 'nameserver 127.0.0.11\noptions ndots:3\n');
    assert.deepEqual(upstream, ['1.1.1.1']);
  });
  test("has the resolver where the host's servers are on its loopback", () => {
    const { resolver, text, upstream } = planResolvConf(
      parseResolvConf('nameserver 127.0.0.53\n'),
      nothing,
      false,
    );
    assert.deepEqual([resolver, text, upstream], [true, 'nameserver 127.0.0.11\n', ['127.0.0.53']]);
  });
});
