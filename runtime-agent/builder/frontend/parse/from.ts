import type { Instruction } from '../instruction.ts';
import { plainWords } from '../words.ts';
import { FlagReader, refuse, type Written } from './written.ts';

type FromFields = Omit<Extract<Instruction, { readonly kind: 'from' }>, 'at' | 'text'>;

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

export function parseFrom(written: Written): FromFields {
  const flags = new FlagReader(written, ['platform']);
  const [image, as, name, ...more] = plainWords(written.rest);
  if (
    image === undefined ||
    more.length > 0 ||
    (as !== undefined && (as.toUpperCase() !== 'AS' || name === undefined))
  ) {
    throw refuse(written, 'FROM requires either one or three arguments: FROM image, or FROM image AS name');
  }
  const stage = name?.toLowerCase();
  if (stage !== undefined && !STAGE_NAME.test(stage)) {
    throw refuse(
      written,
      `invalid name for build stage: ${JSON.stringify(stage.slice(0, 80))}, name can't start with a number or contain symbols`,
    );
  }
  return { kind: 'from', image, name: stage, platform: flags.text('platform') };
}
