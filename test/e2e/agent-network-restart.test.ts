import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { eventually } from '../support/eventually.ts';
import { fetchPage, heldByProcess, readHostNetwork } from '../support/host-network.ts';
import { enterOwnNetwork, HOST_ADDRESS } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const WEB = 'mkdir -p /www; hostname > /www/index.html; exec httpd -f -h /www';

describe('networks outlive what happens to the agent', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const before = await readHostNetwork();
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const sh = async (script: string, ...flags: readonly string[]) =>
    (await docker(['run', '--rm', ...flags, image, 'sh', '-c', script])).stdout;
  const startWeb = async (name: string, ...flags: readonly string[]) => {
    await docker(['run', '-d', '--name', name, '--hostname', name, ...flags, image, 'sh', '-c', WEB]);
    return (await docker(['inspect', '-f', '{{.State.Pid}}', name])).stdout.trim();
  };
  /** A command of the image in a container's network, without the agent. */
  const inNetworkOf = async (pid: string, ...command: readonly string[]) => {
    const args = ['--target', pid, '--net', '--mount', ...command];
    return (await runCommand('nsenter', args, { expectExit: 'any' })).stdout;
  };
  const reach = (url: string) =>
    eventually(`${url} answers`, async () => ((await fetchPage(url)) === 'keeper' ? true : undefined));

  test('an agent that is killed: connections go on without it, names come back with it', async () => {
    await docker(['network', 'create', 'sea']);
    const pid = await startWeb('keeper', '--network', 'sea', '--network-alias', 'light', '-p', '8081:80');
    const guest = await startWeb('guest', '--network', 'sea');
    await reach('http://127.0.0.1:8081');
    const shown = await docker(['inspect', '-f', '{{json .NetworkSettings}}', 'keeper']);
    await agent.kill();
    for (const host of ['127.0.0.1', HOST_ADDRESS])
      assert.equal(await fetchPage(`http://${host}:8081`), 'keeper');
    const { IPAddress: address } = JSON.parse(shown.stdout).Networks.sea as { IPAddress: string };
    assert.equal(await inNetworkOf(guest, 'wget', '-T', '60', '-qO-', `http://${address}`), 'keeper\n');
    await agent.restart();
    assert.equal(
      (await docker(['inspect', '-f', '{{json .NetworkSettings}}', 'keeper'])).stdout,
      shown.stdout,
    );
    assert.equal(await inNetworkOf(guest, 'wget', '-T', '60', '-qO-', 'http://light'), 'keeper\n');
    assert.match(await inNetworkOf(pid, 'nslookup', 'guest'), /Name:\s+guest/);
    for (const host of ['127.0.0.1', HOST_ADDRESS, '[::1]']) {
      assert.equal(await fetchPage(`http://${host}:8081`), 'keeper', host);
    }
    // The addresses and ports of those that run are known to be taken.
    assert.equal(
      await sh(`ip -o -4 addr show eth0 | grep -c "${address}/" || true`, '--network', 'sea'),
      '0\n',
    );
    await docker(['run', '--rm', '-p', '8081:80', image, 'true'], { expectExit: 125 });
    await docker(['rm', '-f', 'guest']);
  });

  test('a packet filter that is flushed and a bridge that is deleted are made again', async () => {
    await runCommand('nft', ['flush', 'ruleset']);
    const { stdout } = await docker(['network', 'inspect', '-f', '{{.Id}}', 'sea']);
    await runCommand('ip', ['link', 'delete', `br-${stdout.slice(0, 12)}`]);
    await eventually('the filter is back', async () => {
      const { filter } = await readHostNetwork();
      return /tcp \. 8081 : /.test(filter) ? true : undefined;
    });
    for (const host of ['127.0.0.1', HOST_ADDRESS, '[::1]']) await reach(`http://${host}:8081`);
    assert.equal(await sh('wget -T 60 -qO- http://keeper', '--network', 'sea'), 'keeper\n');
  });

  test('a container that ended while the agent was away leaves nothing, and is connected when it is started', async () => {
    const { stdout } = await docker(['inspect', '-f', '{{.State.Pid}}', 'keeper']);
    await agent.kill();
    process.kill(Number(stdout), 'SIGKILL');
    // Its end is noted when conmon has waited for it.
    await eventually('it is gone', () => (existsSync(`/proc/${stdout.trim()}`) ? undefined : true));
    await agent.restart();
    await eventually('its ports are gone', async () => {
      const { filter } = await readHostNetwork();
      return /tcp \. 8081/.test(filter) ? undefined : true;
    });
    assert.equal(await fetchPage('http://127.0.0.1:8081'), undefined);
    await eventually('it is in no network', async () => {
      const { stdout: count } = await docker(['network', 'inspect', '-f', '{{len .Containers}}', 'sea']);
      return count === '0\n' ? true : undefined;
    });
    // As after a reboot, when the kernel knows of nothing.
    await agent.kill();
    await runCommand('nft', ['flush', 'ruleset']);
    const { links } = await readHostNetwork();
    for (const name of links.filter((link) => link.startsWith('br-') || link.startsWith('berth'))) {
      await runCommand('ip', ['link', 'delete', name]);
    }
    await agent.restart();
    await docker(['start', 'keeper']);
    await reach('http://[::1]:8081');
    assert.equal(await sh('wget -T 60 -qO- http://light', '--network', 'sea'), 'keeper\n');
  });

  test('nothing is left of containers and networks that are removed', async () => {
    const held = () => heldByProcess(agent.process().pid);
    await docker(['run', '--rm', image, 'true']);
    const atFirst = await held();
    for (let round = 0; round < 3; round += 1) {
      await docker(['run', '--rm', '-p', '80', '--network', 'sea', image, 'true']);
      await docker(['run', '--rm', image, 'true']);
    }
    await eventually('the agent holds no more than before', async () => {
      const now = await held();
      return now.namespaces <= atFirst.namespaces && now.sockets <= atFirst.sockets ? true : undefined;
    });
    await docker(['rm', '-f', 'keeper']);
    await docker(['network', 'rm', 'sea']);
    const idle = await eventually('the links of the containers have gone', async () => {
      const now = await readHostNetwork();
      return now.links.length === before.links.length + 1 ? now : undefined;
    });
    assert.deepEqual(
      idle.links.filter((name) => !before.links.includes(name)),
      ['berth0'],
    );
    assert.doesNotMatch(idle.filter, / : 172/);
    await agent.stop();
    const { links, filter } = await readHostNetwork();
    assert.deepEqual({ links, filter }, { links: before.links, filter: before.filter });
    await agent.restart();
    assert.match(await sh('ip -o -4 addr show eth0'), / 172\.17\.0\.2\/16 /);
  });
});
