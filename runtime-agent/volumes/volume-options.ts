import { isAbsolute } from 'node:path';
import { EngineError } from '../errors.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const MAX_NAME = 255;

/** Throws EngineError 'bad-request' for a name that cannot be a folder's. */
export function checkVolumeName(name: string): void {
  if (NAME.test(name) && name.length <= MAX_NAME) return;
  if (name.length < 2) {
    throw new EngineError(
      'bad-request',
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  throw new EngineError(
    'bad-request',
    `create ${name.slice(0, 80)}: "${name.slice(0, 80)}" includes invalid characters for a local volume name, only ` +
      '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
  );
}

/** Where the options of the driver `local` put a volume: in its own folder (undefined), or a folder of the host. */
export function boundFolder(options: Readonly<Record<string, string>>): string | undefined {
  const { type = '', o = '', device = '', ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new EngineError('bad-request', `create: invalid option: "${unknown.slice(0, 80)}"`);
  }
  if (type === '' && o === '' && device === '') return undefined;
  const flags = o.split(',');
  if ((type !== '' && type !== 'none') || !flags.every((flag) => ['bind', 'rbind', 'rw'].includes(flag))) {
    throw new EngineError(
      'not-implemented',
      'of the options of a volume berth-agent supports type=none with o=bind and device=PATH: ' +
        'mount other file systems on the host, or use --tmpfs',
    );
  }
  if (!isAbsolute(device)) {
    throw new EngineError('bad-request', 'create: the option device must name a folder by its absolute path');
  }
  return device;
}
