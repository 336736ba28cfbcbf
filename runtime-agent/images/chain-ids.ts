import type { Digest } from '../../oci/digest.ts';
import { sha256 } from './pending/plain-manifest.ts';

/**
 * Returns the chain ID of each layer, lowest first: it identifies the layer and all layers below it (image-spec,
 * config.md, "Layer ChainID").
 */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : sha256(Buffer.from(`${below} ${diffId}`)));
  }
  return chain;
}
