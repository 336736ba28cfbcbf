import { enterMountNamespace } from '../../lib/linux/mount/mount-namespace.ts';
import type { AgentConfig } from '../config.ts';
import { examineHost, type Finding, printFindings } from '../doctor/examine-host.ts';
import { readHost } from '../doctor/read-host.ts';
import { tryHost } from '../doctor/try-host.ts';
import type { DoctorFormat } from './command-line.ts';
import { runDirectory } from './run-directory.ts';

/**
 * Reports what this host lacks for the agent and how to fix it; as root it tries a container, a layer and the packet
 * filter. Returns the exit code: 1 if a missing part prevents containers.
 */
export async function doctor(
  config: AgentConfig,
  options: { readonly format: DoctorFormat },
  signal: AbortSignal,
): Promise<number> {
  const reading = await readHost(config, process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin');
  const canTry = reading.platform === 'linux' && reading.root && reading.programs.has('unshare');
  const trials = canTry ? await tryInNamespace(reading.data.folder, signal) : undefined;
  const findings = examineHost({ ...reading, ...(trials !== undefined && { trials }) });
  process.stdout.write(textOf(findings, options.format));
  return findings.some(({ grade }) => grade === 'lacking') ? 1 : 0;
}

function textOf(findings: readonly Finding[], format: DoctorFormat): string {
  if (format === 'json') return `${JSON.stringify(findings, null, 2)}\n`;
  if (format === 'jsonl') return findings.map((finding) => `${JSON.stringify(finding)}\n`).join('');
  return printFindings(findings);
}

/** Mounts of the trials are separate from the host, and from a running agent. */
async function tryInNamespace(folder: string, signal: AbortSignal) {
  const namespace = await enterMountNamespace({
    runDirectory: runDirectory('doctor'),
    execPath: process.execPath,
    args: [...process.execArgv, ...process.argv.slice(1)],
  });
  try {
    return await tryHost(folder, signal);
  } finally {
    await namespace.release();
  }
}
