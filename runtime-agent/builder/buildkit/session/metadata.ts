import type { OutgoingHttpHeaders } from 'node:http2';

/** Metadata of a gRPC call in which a name may have several values, each of them any text. */
export type Metadata = Readonly<Record<string, readonly string[]>>;

/** Carries metadata through libraries that join the values of a header; expandMetadata() takes it apart again. */
const CARRIER = 'berth-metadata';

export function metadataHeader(metadata: Metadata): Record<string, string> {
  return { [CARRIER]: Buffer.from(JSON.stringify(metadata)).toString('base64') };
}

/** Returns the headers of a request to send: each value of the metadata in a field of its own. */
export function expandMetadata(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { [CARRIER]: carried, ...rest } = headers;
  if (typeof carried !== 'string') return rest;
  const metadata = JSON.parse(Buffer.from(carried, 'base64').toString()) as Metadata;
  return { ...rest, ...metadataFields(metadata) };
}

/** Returns each value in a field of its own, encoded as BuildKit's clients decode it (session/filesync). */
export function metadataFields(metadata: Metadata): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(metadata)) {
    if (values.length === 0) continue;
    const plain = values.every((value) => /^[\x20-\x7e]*$/.test(value));
    fields[name] = plain ? [...values] : values.map(encodeURIComponent);
    if (!plain) fields[`${name}-encoded`] = '1';
  }
  return fields;
}

/** Names an output of a build, by its position, for the client that receives it. */
export function exporterMetadata(exporter: number): Record<string, string> {
  return metadataHeader({ 'buildkit-attachable-exporter-id': [String(exporter)] });
}
