import { metadataHeader } from './metadata.ts';

/** Names one of the outputs of a build, by its place among them, for the client that takes it. */
export function exporterMetadata(exporter: number): Record<string, string> {
  return metadataHeader({ 'buildkit-attachable-exporter-id': [String(exporter)] });
}
