import { checkStore } from '../../storage/fsck/check-store.ts';
import type { CheckSummary, Finding } from '../../storage/fsck/findings.ts';
import { describeWiderFiles } from '../open-storage.ts';
import { interruption } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { byteCount, count, Progress } from './progress.ts';
import { FORMAT_OPTION, type Format, parseFormat, printOne } from './remote/table.ts';
import { loadStoredConfig } from './stored-config.ts';
import { openStoredRegistry, recordedContent, type StoredRegistry } from './stored-registry.ts';

/** Maximum names per line. */
const MOST_NAMES = 10;

/**
 * `berth fsck`: verifies everything in a data folder, whether or not a server is running. Exit code 0 when all is well
 * or was repaired, 1 when something is damaged or it was interrupted.
 */
export async function fsck(args: readonly string[]): Promise<number> {
  const {
    repair,
    format: wanted,
    ...flags
  } = parseOptions(args, {
    ...FORMAT_OPTION,
    ...STORAGE_OPTIONS,
    repair: { type: 'boolean' },
  });
  const config = loadStoredConfig(flags);
  await using registry = await openStoredRegistry(config);
  return await verifyStored(registry, config.data, {
    repair: repair === true,
    format: parseFormat(wanted),
    signal: interruption(),
  });
}

/** How a registry is verified. */
export interface Verification {
  readonly repair: boolean;
  readonly format: Format;
  readonly signal: AbortSignal;
}

/**
 * Verifies everything that a registry stores, and the modes of files in `folder`. Returns the exit code of `berth
 * fsck`.
 */
export async function verifyStored(
  registry: StoredRegistry,
  folder: string,
  { repair, format, signal }: Verification,
): Promise<number> {
  const wider = describeWiderFiles(folder);
  const tell = format === 'table' ? printLine : tellLine;
  for (const sentence of wider) tell(`too permissive: ${sentence}`);
  const progress = new Progress();
  /** Filled only for --format json, which prints one document. */
  const findings: Finding[] = [];
  const counts = { mended: 0, removed: 0, kept: 0 };
  const onFinding = (finding: Finding) => {
    progress.clear();
    counts[finding.outcome] += 1;
    if (format === 'json') findings.push(finding);
    else printOne(format, finding, () => [describe(finding)]);
  };
  const { bytes: total } = await recordedContent(registry.database);
  const onProgress = ({ blobs, bytes, manifests }: Readonly<CheckSummary>) =>
    progress.show(`${count(blobs, 'blob')}, ${count(manifests, 'manifest')}`, {
      done: bytes,
      total,
      unit: 'bytes',
    });
  try {
    const summary = await checkStore({
      ...registry,
      repair,
      signal,
      onFinding,
      onProgress,
    });
    progress.clear();
    const result = { ...(format === 'json' && { findings }), summary: { ...summary, ...counts } };
    printOne(format, result, () => [conclusion(summary, counts)]);
  } catch (error) {
    progress.clear();
    if (!signal.aborted) throw error;
    tellLine('berth: interrupted: not everything was checked');
    return 1;
  }
  return counts.removed + counts.kept === 0 ? 0 : 1;
}

const OUTCOMES = {
  mended: 'mended',
  removed: 'set aside in quarantine/, push it again',
  kept: 'damaged',
} as const;

function describe(finding: Finding): string {
  const outcome = OUTCOMES[finding.outcome];
  switch (finding.kind) {
    case 'database':
      return `${outcome}: the database: ${finding.message}`;
    case 'manifest':
      return `${outcome}: ${finding.manifest.repository}@${finding.manifest.digest} ${finding.message}`;
    case 'blob': {
      const { blob, message, dependants } = finding;
      const more = dependants.length > MOST_NAMES ? ` and ${dependants.length - MOST_NAMES} more` : '';
      const names = dependants.slice(0, MOST_NAMES).join(', ');
      const needed = names === '' ? 'nothing needs it' : `needed by ${names}${more}`;
      return `${outcome}: ${blob.digest}: ${message} (${blob.location}); ${needed}`;
    }
  }
}

function conclusion(
  { blobs, bytes, manifests, leftovers, leftoverBytes, uploads }: CheckSummary,
  { mended, removed, kept }: Readonly<Record<keyof typeof OUTCOMES, number>>,
): string {
  const damage = mended + removed + kept;
  const result =
    damage === 0 ? 'clean' : `${damage} damaged, of which ${mended} mended and ${removed} set aside`;
  const left =
    leftovers + uploads === 0
      ? ''
      : `; ${leftovers} leftover files (${byteCount(leftoverBytes)}) and ${uploads} leftover uploads, which ` +
        'garbage collection deletes in time';
  return `checked ${blobs} blobs (${byteCount(bytes)}) and ${manifests} manifests: ${result}${left}`;
}
