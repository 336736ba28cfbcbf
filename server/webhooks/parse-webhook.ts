import { randomBytes } from 'node:crypto';
import { parsePattern } from '../../auth/access/pattern.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import { type NewWebhook, WEBHOOK_EVENTS } from '../../storage/catalog/webhook-catalog.ts';

const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const LONGEST_URL = 2000;
const SHORTEST_SECRET = 16;
const LONGEST_SECRET = 256;

/** A webhook as a person writes it; without a secret one is generated. */
export interface WebhookText {
  readonly name: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly pattern: string;
  readonly secret?: string | undefined;
}

/** Throws SettingInvalidError, which says what to write instead. */
export function parseWebhook({ name, url, events, pattern, secret }: WebhookText): NewWebhook {
  if (!NAME.test(name)) {
    refuse(`${quoted(name)} is not the name of a webhook: write lower-case letters, digits and . _ -`);
  }
  const parsed = URL.parse(url);
  const isHttp = parsed?.protocol === 'https:' || parsed?.protocol === 'http:';
  if (!isHttp || url.length > LONGEST_URL || parsed.username !== '' || parsed.password !== '') {
    refuse('the URL of a webhook must be an http or https URL without user and password');
  }
  // Parsers drop or encode them, so the URL in lists would differ from the called one.
  if (/[\s\p{Cc}]/u.test(url)) refuse('the URL of a webhook must have no spaces and no control characters');
  const known = WEBHOOK_EVENTS.filter((event) => events.includes(event));
  const unknown = events.find((event) => !WEBHOOK_EVENTS.some((one) => one === event));
  if (unknown !== undefined || known.length === 0) {
    refuse(`the events of a webhook are some of ${WEBHOOK_EVENTS.join(', ')}`);
  }
  const signing = secret ?? randomBytes(32).toString('base64url');
  if (signing.length < SHORTEST_SECRET || signing.length > LONGEST_SECRET) {
    refuse(`the secret must have ${SHORTEST_SECRET} to ${LONGEST_SECRET} characters`);
  }
  return { name, url, events: known, pattern: parsePattern(pattern), secret: signing };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function refuse(message: string): never {
  throw new SettingInvalidError(message);
}
