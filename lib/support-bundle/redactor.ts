/** Stands for a secret in a support bundle. */
export const REMOVED = '[removed]';

/** Characters below which a secret is not searched for: it would remove half of every text. */
const SHORTEST = 6;
/** Names of fields and variables whose values are secrets. */
const SECRET_NAME =
  /pass|secret|token|credential|authorization|cookie|private|api_?key|access_?key|_key$|_auth$/i;
/** Query parameters of a storage or database URL that are shown. */
const SHOWN_PARAMETERS: ReadonlySet<string> = new Set(['partSize', 'pathStyle', 'region', 'sslmode']);
/** Those that are URLs themselves. */
const ADDRESSES: ReadonlySet<string> = new Set(['endpoint', 'publicEndpoint']);

/** A word of a text: what stands between spaces, quotes and brackets. */
const WORD = /[^\s"'`<>(){}]+/g;
const PRIVATE_KEY = '-----BEGIN ';
const PRIVATE_KEY_END = /-----END [A-Z ]{0,40}-----/;

/** Removes secrets from texts: those that it is told, and everything that has the form of one. */
export class Redactor {
  readonly #secrets: readonly string[];

  constructor(secrets: Iterable<string>) {
    const forms = [...secrets].flatMap(formsOf).filter(({ length }) => length >= SHORTEST);
    this.#secrets = [...new Set(forms)].sort((one, other) => other.length - one.length);
  }

  /** Removes secrets from a text of any kind. */
  text(text: string): string {
    let rest = text;
    for (const secret of this.#secrets) rest = rest.replaceAll(secret, REMOVED);
    return withoutKeys(rest).replace(WORD, redactWord).replace(AUTHORIZATION, `$1 ${REMOVED}`);
  }

  /** Removes secrets from a JSON value: also each text below a name such as `password`. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        this.text(name),
        isSecretName(name) && typeof item === 'string' ? REMOVED : this.value(item),
      ]),
    );
  }
}

const AUTHORIZATION = /\b(bearer|basic) [\w+/=.~-]{6,}/gi;

/** Reports whether a field or variable of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * Returns what can be shown of a setting that may contain credentials: a URL without user, password, unknown
 * parameters and fragment.
 */
export function shownUrl(text: string): string {
  const scheme = /^(?:[\w.:-]{1,300}=)?(?:[a-z][a-z0-9+.-]{0,20}:\/\/)?/i.exec(text)?.[0] ?? '';
  const rest = text.slice(scheme.length);
  const at = rest.lastIndexOf('@');
  const [place = '', query] = rest
    .slice(at + 1)
    .split('#', 1)
    .join('')
    .split('?');
  const shown = `${scheme}${at === -1 ? '' : `${REMOVED}@`}${place}`;
  return query === undefined
    ? shown
    : `${shown}?${[...new URLSearchParams(query)].map(shownParameter).join('&')}`;
}

function shownParameter([name, value]: [string, string]): string {
  if (SHOWN_PARAMETERS.has(name)) return `${name}=${value}`;
  return ADDRESSES.has(name) ? `${name}=${shownUrl(value)}` : REMOVED;
}

/** Returns the secrets of a URL or proxy: its password and the values of its parameters, as written and decoded. */
export function secretsOfUrl(text: string): readonly string[] {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  const at = text.lastIndexOf('@');
  const user = at === -1 ? '' : (text.slice(0, at).split('://').at(-1) ?? '');
  const written = user.includes(':') ? [user.slice(user.indexOf(':') + 1)] : [];
  if (url === null) return written;
  const parameters = [...url.searchParams].filter(([name]) => isSecretName(name)).map(([, value]) => value);
  return [...written, url.password, ...parameters].filter((secret) => secret !== '');
}

/** A secret as URLs, JSON and Basic logins may write it. */
function formsOf(secret: string): readonly string[] {
  const decoded = decode(secret);
  return [secret, decoded].flatMap((text) => [
    text,
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    Buffer.from(text).toString('base64'),
    Buffer.from(text).toString('base64url'),
  ]);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Removes private keys in PEM, also one whose end is missing. */
function withoutKeys(text: string): string {
  const [first = '', ...parts] = text.split(PRIVATE_KEY);
  const kept = parts.map((part) => {
    if (!/^[A-Z ]{0,20}PRIVATE KEY/.test(part)) return `${PRIVATE_KEY}${part}`;
    const end = PRIVATE_KEY_END.exec(part);
    return end === null ? REMOVED : `${REMOVED}${part.slice(end.index + end[0].length)}`;
  });
  return [first, ...kept].join('');
}

const FORMS: readonly RegExp[] = [
  // Tokens of Berth, of hosts that join, of GitHub and GitLab.
  /^(?:berth_[a-z]{3}_|bjt_|gh[a-z]_|github_pat_|glpat-|dckr_pat_)/,
  // JSON web tokens, keys of AWS, hashes of passwords.
  /^eyJ[\w-]{8}/,
  /^A[KS]IA[A-Z0-9]{16}/,
  /^\$(?:argon2|scrypt|2[aby]\$|[156]\$)/,
];

function redactWord(word: string): string {
  for (const separator of ['=', ':', ',', ';', '[']) {
    const tail = word.slice(word.lastIndexOf(separator) + 1);
    if (FORMS.some((form) => form.test(tail) || form.test(word))) return REMOVED;
  }
  const from = word.indexOf('://');
  if (from === -1) return word;
  // Presigned addresses have their right in the query.
  return `${word.slice(0, from + 3)}${shownUrl(word.slice(from + 3))}`;
}
