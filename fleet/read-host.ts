import { ALLOWANCES, type HostFacts } from './host.ts';

/** An untrusted description of a host is invalid; the message is a sentence. */
export class HostInputError extends Error {
  override readonly name = 'HostInputError';
}

/** A host's request to join. */
export interface JoinRequest {
  /** As `berth host token` printed it. */
  readonly token: string;
  readonly name: string;
  readonly publicKey: string;
  readonly recipient: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: HostFacts;
}

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const LABEL_KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^[\x20-\x7e]{0,128}$/;
const PLATFORM = /^[a-z0-9]{1,16}\/[a-z0-9]{1,16}(?:\/[a-z0-9.]{1,16})?$/;
const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/;
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;

const MAX_LABELS = 64;
const LONGEST_TEXT = 256;

/** Parses the name of a host. Throws HostInputError. */
export function parseHostName(value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw new HostInputError(
    `${shown(value)} is not a name of a host: use lower-case letters, digits and . _ - between them, at most 63`,
  );
}

/** Parses the labels of a host. Throws HostInputError. */
export function parseLabels(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(objectOf(value, 'labels'));
  if (entries.length > MAX_LABELS) throw new HostInputError(`a host has at most ${MAX_LABELS} labels`);
  for (const [key, text] of entries) {
    if (!LABEL_KEY.test(key)) {
      throw new HostInputError(
        `${shown(key)} is not a key of a label: use letters, digits and . _ - / between them, at most 63`,
      );
    }
    if (typeof text !== 'string' || !LABEL_VALUE.test(text)) {
      throw new HostInputError(
        `the value of the label ${key} must be a text of at most 128 printable ASCII characters`,
      );
    }
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

/** Parses a machine's request to join; unknown fields are ignored. Throws HostInputError. */
export function readJoinRequest(value: unknown): JoinRequest {
  const { token, name, publicKey, recipient, labels = {}, facts } = objectOf(value, 'the request');
  return {
    token: textOf(token, 'token'),
    name: parseHostName(name),
    publicKey: matching(PUBLIC_KEY, publicKey, 'publicKey must be an Ed25519 key: base64url of 32 bytes'),
    recipient: matching(RECIPIENT, recipient, 'recipient must be an X25519 recipient of age: age1…'),
    labels: parseLabels(labels),
    facts: readFacts(facts),
  };
}

/** Throws HostInputError. */
export function readFacts(value: unknown): HostFacts {
  const facts = objectOf(value, 'facts');
  const { allows } = facts;
  if (!Array.isArray(allows) || allows.length > ALLOWANCES.length) {
    throw new HostInputError('facts.allows must be a list');
  }
  return {
    version: textOf(facts.version, 'facts.version'),
    operatingSystem: textOf(facts.operatingSystem, 'facts.operatingSystem'),
    platform: matching(PLATFORM, facts.platform, 'facts.platform must be a platform such as linux/amd64'),
    processors: integerOf(facts.processors, 'facts.processors'),
    memory: integerOf(facts.memory, 'facts.memory'),
    // Unknown allowances, from a later agent, are ignored.
    allows: ALLOWANCES.filter((allowance) => allows.includes(allowance)),
    ingress: facts.ingress === true,
  };
}

/** Throws HostInputError. */
export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new HostInputError(`${what} must be an object`);
}

/** Parses a text of at most `longest` characters without control and format characters. Throws HostInputError. */
export function textOf(value: unknown, what: string, longest = LONGEST_TEXT): string {
  if (typeof value === 'string' && value.length <= longest && value === plainText(value)) return value;
  throw new HostInputError(`${what} must be a text of at most ${longest} characters`);
}

/**
 * Returns a program's output as one line: control and format characters, such as terminal escapes, become spaces. The
 * result goes to people, webhooks and the audit.
 */
export function plainText(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ');
}

/** Parses a non-negative integer. Throws HostInputError. */
export function integerOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new HostInputError(`${what} must be a whole number`);
}

function matching(form: RegExp, value: unknown, message: string): string {
  if (typeof value === 'string' && form.test(value)) return value;
  throw new HostInputError(message);
}

function shown(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80));
}
