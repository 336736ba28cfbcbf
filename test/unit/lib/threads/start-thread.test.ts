import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { endThread, startThread } from '../../../../lib/threads/start-thread.ts';

const root = join(import.meta.dirname, '../../../..');
const THREADS = new URL('../../../../lib/threads/start-thread.ts', import.meta.url);
const SLOW = new URL('../../../support/slow-to-load.ts', import.meta.url);

/** Runs `onBegin` in a process when its thread begins to load native code. */
function inProcess(onBegin: string) {
  const program = `
    import { endThread, startThread } from ${JSON.stringify(THREADS.href)};
    const thread = startThread(new URL(${JSON.stringify(SLOW.href)}));
    thread.ref();
    thread.once('message', () => { ${onBegin} });
  `;
  return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
}

describe('a thread that loads native code', () => {
  test('is not cut short by the end of the process, which it would abort', async () => {
    await inProcess('process.exit(0);');
    await inProcess('thread.unref();');
  });

  test('is ended by endThread when it has loaded, and the process goes on', async () => {
    const { stdout } = await inProcess(`
      const said = [];
      thread.on('message', (word) => said.push(word));
      endThread(thread).then(() => console.log(said.join()));
    `);
    assert.equal(stdout, 'has loaded\n');
  });

  test('that fails to load is ended all the same', async () => {
    const thread = startThread(new URL('./no-such-file.ts', import.meta.url));
    const [error] = await once(thread, 'error');
    assert.match(String(error), /no-such-file/);
    await endThread(thread);
  });
});

test('threads of the programs are started and ended by this module', () => {
  const files = globSync('{lib,oci,auth,fleet,storage,server,runtime-agent}/**/*.ts', { cwd: root });
  const workers = files.filter((file) =>
    /new Worker\(|orker\??\.terminate\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  // The thread that ends a hung process is never ended itself.
  assert.deepEqual(workers.sort(), ['lib/threads/start-thread.ts', 'lib/watchdog/watch-worker.ts']);
});
