/** Reads a whole stream; returns undefined when it has more than `limit` bytes. */
export async function readAtMost(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.byteLength;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Parses the JSON of an answer of at most `limit` bytes; returns undefined when the body is longer, or not JSON. */
export async function readJsonAtMost(response: Response, limit: number): Promise<unknown> {
  const bytes = await readAtMost(response.body ?? [], limit);
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
