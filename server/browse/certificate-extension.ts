/** One value of DER (X.690): its tag, its content, and the offset of the next one. */
interface Value {
  readonly tag: number;
  readonly content: Buffer;
  readonly end: number;
}

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** `[3] EXPLICIT Extensions` of a certificate (RFC 5280, section 4.1). */
const EXTENSIONS = 0xa3;
const MOST_VALUES = 200;

/**
 * Returns the content of an extension of an X.509 certificate in DER, by the bytes of its identifier; undefined if it
 * has none, or the bytes are not a certificate.
 */
export function extensionOf(certificate: Buffer, identifier: Buffer): Buffer | undefined {
  const whole = valueAt(certificate, 0);
  const signed = whole?.tag === SEQUENCE ? valueAt(whole.content, 0) : undefined;
  const tagged =
    signed?.tag === SEQUENCE ? valuesOf(signed.content).find(({ tag }) => tag === EXTENSIONS) : undefined;
  const list = tagged && valueAt(tagged.content, 0);
  for (const extension of list === undefined ? [] : valuesOf(list.content)) {
    const [name, ...rest] = valuesOf(extension.content);
    if (name?.tag !== OBJECT_IDENTIFIER || !name.content.equals(identifier)) continue;
    return rest.find(({ tag }) => tag === OCTET_STRING)?.content;
  }
  return undefined;
}

/** Returns the text of a value in DER, such as a UTF8String; undefined for other types. */
export function textIn(bytes: Buffer): string | undefined {
  return valueAt(bytes, 0)?.content.toString('utf8');
}

function valuesOf(bytes: Buffer): readonly Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.length && values.length < MOST_VALUES; ) {
    const value = valueAt(bytes, at);
    if (value === undefined) break;
    values.push(value);
    at = value.end;
  }
  return values;
}

/** Reads a value. No certificate that is read here has lengths of more than two bytes. */
function valueAt(bytes: Buffer, at: number): Value | undefined {
  const [tag, first = 0] = bytes.subarray(at, at + 2);
  const more = first < 0x80 ? 0 : first - 0x80;
  const start = at + 2 + more;
  if (tag === undefined || more > 2 || first === 0x80 || start > bytes.length) return undefined;
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
  const end = start + length;
  return end > bytes.length ? undefined : { tag, content: bytes.subarray(start, end), end };
}
