import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { ALWAYS_DIFFERENT, besideDockerd, normalize } from '../support/beside-dockerd.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

type Daemon = Pick<Docker, 'docker'>;

describe('what images go through, beside dockerd', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, registry, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const { same } = besideDockerd(agent, dockerd);
  const folder = await makeTempDir({ after }, 'archives');
  const archive = join(folder, 'app.tar');
  const tree = join(folder, 'tree.tar');
  const RUN = ['--network=none'];

  const idOf = async (name: string) =>
    (await agent.docker(['image', 'inspect', '-f', '{{.Id}}', name])).stdout.trim();

  /** The events of a script on one daemon, each as one line. */
  const eventsOf = async ({ docker }: Daemon, steps: readonly (readonly string[])[]) => {
    const since = Math.floor(Date.now() / 1000) + 1;
    await waitUntil('a new second begins', () => Date.now() >= since * 1000);
    for (const step of steps) await docker(step, { expectExit: 'any' });
    const until = Math.floor(Date.now() / 1000) + 1;
    const { stdout } = await docker([
      ...['events', '--since', `${since}`, '--until', `${until}`, '--filter', 'type=image'],
      ...['--format', '{{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}'],
    ]);
    return stdout.split('\n').filter(Boolean);
  };
  const eventsAlike = async (...steps: readonly (readonly string[])[]) => {
    const ours = await eventsOf(agent, steps);
    assert.deepEqual(ours, await eventsOf(dockerd, steps));
    return ours;
  };

  test('the events of pull, tag, untag, delete, save, load, import, push and commit', async () => {
    const id = await idOf(image);
    const tagged = await eventsAlike(
      ['tag', image, 'app:1'],
      ['tag', 'app:1', 'app:1'],
      ['tag', id, `${registry.host}/team/copy:2`],
      ['save', '-o', archive, 'app:1', image],
      ['push', '-q', `${registry.host}/team/copy:2`],
      ['rmi', 'app:1'],
      ['rmi', 'nosuch'],
      ['load', '-q', '-i', archive],
      ['rmi', '-f', id],
      ['pull', '-q', image],
      ['pull', '-q', image],
      ['pull', '-q', `${registry.host}/team/nosuch:1`],
    );
    assert.deepEqual(
      tagged.map((line) => line.split(' ')[0]),
      'tag tag tag save push untag load untag untag untag untag untag delete pull pull'.split(' '),
    );
    await agent.docker(['create', '--name', 'tree', ...RUN, image]);
    await agent.docker(['export', '-o', tree, 'tree']);
    await agent.docker(['rm', 'tree']);
    // Their IDs hold the moment in which they were made.
    const steps = [
      ['import', '-c', 'LABEL a=b', tree, 'tree:1'],
      ['import', tree],
      ['create', '--name', 'worker', ...RUN, image],
      ['commit', '-c', 'LABEL c=d', 'worker', 'made:1'],
      ['commit', 'worker'],
      ['rm', 'worker'],
      ['rmi', 'tree:1', 'made:1'],
      ['image', 'prune', '-f'],
    ];
    const made = await Promise.all([eventsOf(agent, steps), eventsOf(dockerd, steps)]);
    const [ours, theirs] = made.map((events) =>
      events.map((line) => normalize(line, ALWAYS_DIFFERENT).replace(/"reclaimed":"\d+"/, 'BYTES')),
    );
    assert.deepEqual(ours, theirs);
  });

  test('when an image was tagged last', async () => {
    const when = ['image', 'inspect', '-f', '{{.Metadata.LastTagTime}}', image];
    const dated = async ({ docker }: Daemon) => {
      const before = Date.now();
      await docker(['tag', image, 'dated:1']);
      const { stdout } = await docker(when);
      // Go prints a time with its zone by name, which Date does not read.
      const moment = Date.parse(
        stdout
          .trim()
          .replace(/(\.\d{3})\d* /, '$1 ')
          .replace(/ UTC$/, ''),
      );
      assert.ok(moment >= before - 1 && moment <= Date.now(), stdout);
      await docker(['rmi', 'dated:1']);
    };
    for (const daemon of [agent, dockerd]) {
      await daemon.docker(['rmi', '-f', await idOf(image)], { expectExit: 'any' });
      await daemon.docker(['pull', '-q', image]);
    }
    await same(
      when,
      ['load', '-q', '-i', archive],
      when,
      ['rmi', 'app:1'],
      ['image', 'inspect', '-f', '{{.Metadata.LastTagTime}}', 'nosuch'],
    );
    await dated(agent);
    await dated(dockerd);
  });

  test('rmi of an image that containers have, by name, by ID and by force', async () => {
    const id = (await idOf(image)).slice(7);
    const list = ['images', '-a', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}'];
    const ps = ['ps', '-a', '--format', '{{.Names}} {{.Image}} {{.State}}'];
    const name = image.replace(/:1$/, '');
    await same(
      ['create', '--name', 'still', ...RUN, image, 'echo', 'there'],
      ['rmi', image],
      ['rmi', id],
      ['tag', image, `${name}:2`],
      ['tag', image, 'elsewhere'],
      ['rmi', id.slice(0, 10)],
      ['rmi', 'elsewhere'],
      ['rmi', `${name}:2`],
      ['run', '-d', '--name', 'busy', ...RUN, image, 'sleep', '100000'],
      ['rmi', id],
      ['rmi', '-f', id],
      ['rmi', '-f', image],
      list,
      ps,
      ['rmi', '-f', id],
      ['rm', '-f', 'busy'],
      ['rmi', id],
      ['rmi', '-f', id.slice(0, 12)],
      list,
      ps,
      // It has its layers still.
      ['start', '-a', 'still'],
      ['cp', 'still:/etc/passwd', '-'],
      ['diff', 'still'],
      ['inspect', '-f', '{{.Image}} {{.Config.Image}}', 'still'],
      ['ps', '-a', '--filter', `ancestor=${image}`, '--format', '{{.Names}}'],
    );
    await agent.restart();
    await same(['start', '-a', 'still'], ['rm', 'still'], list);
    const { stdout } = await agent.docker(['system', 'df', '--format', '{{.Size}}']);
    assert.equal(stdout.split('\n')[0], '0B', 'the layers went with the container');
    await same(
      ['pull', '-q', image],
      ['create', '--name', 'still', ...RUN, image, 'true'],
      ['tag', image, 'other:1'],
      ['rmi', '-f', 'other:1'],
      ['rmi', '-f', image],
      list,
      ps,
      ['start', '-a', 'still'],
      ['rm', 'still'],
      ['pull', '-q', image],
    );
  });
});
