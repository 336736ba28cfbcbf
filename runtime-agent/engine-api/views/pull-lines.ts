import type { PullProgress } from '../../images/images.ts';

const STATUS = {
  'pulling-fs-layer': 'Pulling fs layer',
  waiting: 'Waiting',
  downloading: 'Downloading',
  'verifying-checksum': 'Verifying Checksum',
  'download-complete': 'Download complete',
  extracting: 'Extracting',
  'pull-complete': 'Pull complete',
  'already-exists': 'Already exists',
} as const;

/** A progress step of a pull as the line that dockerd writes (Engine API, ImageCreate). */
export function pullLine(step: PullProgress): object {
  switch (step.kind) {
    case 'pulling-from':
      return { status: `Pulling from ${step.repository}`, id: step.tag };
    case 'digest':
      return { status: `Digest: ${step.digest}` };
    case 'status':
      return {
        status: step.newer
          ? `Status: Downloaded newer image for ${step.reference}`
          : `Status: Image is up to date for ${step.reference}`,
      };
    case 'layer': {
      const status = STATUS[step.state];
      const { current, total } = step;
      if (current === undefined || total === undefined || total <= 0) {
        return { status, progressDetail: {}, id: step.id };
      }
      return {
        status,
        progressDetail: { current, total },
        progress: progressBar(current, total),
        id: step.id,
      };
    }
  }
}

/** `[====>    ]  1.2MB/3.4MB`: what clients without a bar of their own print. */
export function progressBar(current: number, total: number): string {
  const filled = Math.min(50, Math.floor((current / total) * 50));
  const bar = filled === 50 ? '='.repeat(50) : `${'='.repeat(filled)}>${' '.repeat(49 - filled)}`;
  return `[${bar}] ${humanSize(current).padStart(7)}/${humanSize(total)}`;
}

/** Bytes in decimal units with four significant digits, as Docker writes them. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${Number(size.toPrecision(4))}${units[unit]}`;
}
