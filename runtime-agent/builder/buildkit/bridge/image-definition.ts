import { createHash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Digest } from '../../../../oci/digest.ts';
import { type Definition, DefinitionSchema, OpSchema } from '../proto/ops_pb.ts';

/** How a built image is named in a definition that goes to the client and comes back as the input of another build. */
const SCHEME = 'docker-image://berth.invalid/built@';

/** A definition that says no more than which image it is: clients look only at its form. */
export function imageDefinition(id: Digest): Definition {
  const source = toBinary(OpSchema, create(OpSchema, { source: { identifier: `${SCHEME}${id}` } }));
  const digest = `sha256:${createHash('sha256').update(source).digest('hex')}`;
  const head = toBinary(OpSchema, create(OpSchema, { inputs: [{ digest, index: 0n }] }));
  return create(DefinitionSchema, { def: [source, head], metadata: { [digest]: {} } });
}

/** The image that imageDefinition() was made of; undefined for any other definition. */
export function definedImage(definition: Definition): string | undefined {
  const identifiers = definition.def.map((op) => fromBinary(OpSchema, op).source?.identifier ?? '');
  return identifiers.find((identifier) => identifier.startsWith(SCHEME))?.slice(SCHEME.length);
}
