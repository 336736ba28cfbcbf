import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENCE } from '../../../../fleet/host.ts';
import { HostWatch } from '../../../../server/events/host-watch.ts';

interface Presence {
  readonly id: string;
  readonly name: string;
  readonly connected: boolean;
  readonly draining: boolean;
  readonly seenAt?: Date;
}

function watchOver(hosts: readonly Presence[]) {
  const fleet = { hosts };
  const watch = new HostWatch({ presence: async () => fleet.hosts });
  const changes = async () =>
    (await watch.changes()).map(({ data }) => `${data.host ?? 'many'} ${data.change}`).join(', ');
  return { changes, fleet, watch };
}

const host = (id: string, more: Partial<Presence> = {}): Presence => ({
  id,
  name: `host-${id}`,
  connected: true,
  draining: false,
  seenAt: new Date(),
  ...more,
});

test('a host that goes, falls silent, comes and joins is a change; one that drains or is removed is none', async () => {
  const { changes, fleet, watch } = watchOver([host('a'), host('b'), host('c')]);
  assert.equal(await watch.begin(), true);
  assert.equal(await changes(), '');
  fleet.hosts = [host('a', { connected: false }), host('b', { draining: true })];
  assert.equal(await changes(), 'host-a offline');
  fleet.hosts = [host('a'), host('b', { seenAt: new Date(Date.now() - SILENCE) }), host('d')];
  assert.equal(await changes(), 'host-a online, host-b unknown, host-d online');
  fleet.hosts = [...fleet.hosts, { id: 'e', name: 'e', connected: false, draining: false }];
  assert.equal(await changes(), '');
});

test('many changes at once are one event, and what nobody wants to know is forgotten', async () => {
  const many = Array.from({ length: 51 }, (_, index) => host(`${index}`));
  const { changes, fleet, watch } = watchOver([]);
  assert.equal(await watch.begin(), false);
  fleet.hosts = many;
  assert.equal(await changes(), 'many states');
  fleet.hosts = [];
  watch.forget();
  assert.equal(await changes(), '');
});
