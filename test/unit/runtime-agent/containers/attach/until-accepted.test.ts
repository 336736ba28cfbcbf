import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadLibc } from '../../../../../lib/linux/libc.ts';
import { connectSeqpacket } from '../../../../../lib/linux/terminal/seqpacket.ts';
import { untilAccepted } from '../../../../../runtime-agent/containers/attach/attach-session.ts';

/** Listens, and accepts one connection for each line that it is sent. */
const SERVER = `
use Socket;
socket(my $listener, AF_UNIX, SOCK_SEQPACKET, 0) or die $!;
bind($listener, pack_sockaddr_un($ARGV[0])) or die $!;
listen($listener, 8) or die $!;
$| = 1;
print "ready\\n";
my @accepted;
while (<STDIN>) { accept(my $socket, $listener) or die $!; push @accepted, $socket; print "accepted\\n"; }
`;

test('a connection counts when the other side has accepted it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-test-'));
  const path = join(folder, `socket-${process.pid}`);
  const server = spawn('perl', ['-e', SERVER, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const libc = loadLibc();
  let fd = -1;
  try {
    await once(server.stdout, 'data');
    await untilAccepted(path);
    fd = connectSeqpacket(libc, path);
    let accepted = false;
    const waiting = untilAccepted(path).then(() => assert.equal(accepted, true));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    accepted = true;
    server.stdin.write('\n');
    await waiting;
  } finally {
    if (fd >= 0) libc.close(fd);
    server.stdin.end();
    await once(server, 'exit');
    await rm(folder, { recursive: true });
  }
});
