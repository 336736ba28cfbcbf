import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { LONGEST_WAIT } from '../../../support/longest-wait.ts';

/**
 * Runs a program that prints a line for each thing that it has made durable, and kills it with SIGKILL at a
 * random moment after its first line. Answers the whole lines that it has printed.
 */
export async function killWhileWriting(program: string, args: readonly string[]): Promise<readonly string[]> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  try {
    await Promise.race([once(child.stdout, 'data', { signal: AbortSignal.timeout(LONGEST_WAIT) }), closed]);
    await sleep(Math.random() * 150);
  } finally {
    child.kill('SIGKILL');
  }
  const [, signal] = await closed;
  assert.equal(signal, 'SIGKILL', 'the program ran until it was killed');
  return output.split('\n').slice(0, -1);
}
