import type { Digest } from '../../oci/digest.ts';
import { sha256 } from './pending/plain-manifest.ts';

/** The chain ID of each layer, the lowest first: what stands for it and all below it (image-spec, config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : sha256(Buffer.from(`${below} ${diffId}`)));
  }
  return chain;
}
