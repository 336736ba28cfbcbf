/** The position of a value in a template. */
type Place = 'text' | 'tag' | 'attribute' | 'address';

/** A value of a template: texts and numbers are escaped, markup is not; undefined and false produce nothing. */
export type Value = string | number | Html | readonly Html[] | undefined | false;

const SEAL = Symbol('markup');

/** Markup whose every value is escaped. Only `html` makes it: JSON that looks like it is refused. */
export class Html {
  readonly #markup: string;

  constructor(seal: typeof SEAL, markup: string) {
    if (seal !== SEAL) throw new TypeError('only the template tag makes markup');
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }

  static from(value: unknown): string | undefined {
    return value instanceof Html ? value.#markup : undefined;
  }
}

/**
 * Renders markup with values. A text is escaped for its position; one at the start of `href`, `src`, `action` or
 * `formaction` that is not a path, query, fragment or http URL becomes `#`. Throws TypeError for a template with a
 * value where escaping does not help: an attribute without quotes, a tag name, a comment, a script or a style.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  const places = placesOf(parts);
  let markup = parts[0] ?? '';
  for (const [index, value] of values.entries()) {
    markup += markupOf(value, places[index] ?? 'text') + (parts[index + 1] ?? '');
  }
  return new Html(SEAL, markup);
}

/**
 * Wraps markup that a library has made and sanitised. The only way past `html`: test/unit/server/markup.test.ts counts
 * its callers.
 */
export function sanitised(markup: string): Html {
  return new Html(SEAL, markup);
}

function markupOf(value: Value, place: Place): string {
  if (value === undefined || value === false || value === '') return '';
  const markup = Html.from(value);
  if (markup !== undefined) return outsideAttributes(place, markup);
  if (typeof value === 'object') {
    if (!Array.isArray(value)) throw new TypeError('a template takes texts, numbers and markup');
    return outsideAttributes(place, value.map((one: Html) => markupOf(one, 'text')).join(''));
  }
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new TypeError('a template takes texts, numbers and markup');
  }
  if (place === 'tag') throw new TypeError('a text cannot stand among attributes: give markup');
  const text = String(value);
  return escapeText(place === 'address' && !isSafeAddress(text) ? '#' : text);
}

/** Refuses markup inside an attribute, which would end it. */
function outsideAttributes(place: Place, markup: string): string {
  if (place === 'text' || place === 'tag') return markup;
  throw new TypeError('markup cannot stand in an attribute: give a text');
}

/** Characters that a page never shows: control characters, and those that change the text direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const HIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function escapeText(text: string): string {
  return text.replace(HIDDEN, '\ufffd').replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Reports whether an address is a path of this server, a query, a fragment, or an http URL. */
function isSafeAddress(text: string): boolean {
  if (/^(?:https?:\/\/|[?#])/i.test(text)) return true;
  return text === '' || (text.startsWith('/') && !/^\/[/\\]/.test(text));
}

/** By template: the same array at every call. */
const known = new WeakMap<TemplateStringsArray, readonly Place[]>();

function placesOf(parts: TemplateStringsArray): readonly Place[] {
  const before = known.get(parts);
  if (before !== undefined) return before;
  const places: Place[] = [];
  let state: State = { kind: 'text' };
  for (const part of parts.slice(0, -1)) {
    state = readPart(state, part);
    places.push(placeOf(state));
    // The value is now between the start of an attribute and the text after it.
    if (state.kind === 'quoted') state = { ...state, isStart: false };
  }
  known.set(parts, places);
  return places;
}

type State =
  | { readonly kind: 'text' }
  | { readonly kind: 'tag'; readonly read: string }
  | { readonly kind: 'quoted'; readonly quote: string; readonly name: string; readonly isStart: boolean };

const ADDRESSES: ReadonlySet<string> = new Set(['href', 'src', 'action', 'formaction']);

function placeOf(state: State): Place {
  if (state.kind === 'text') return 'text';
  if (state.kind === 'quoted') {
    if (/^(?:on|style$|srcdoc$)/.test(state.name)) throw new TypeError(`no value belongs into ${state.name}`);
    return state.isStart && ADDRESSES.has(state.name) ? 'address' : 'attribute';
  }
  if (/^\/?[a-z][a-z0-9-]*\s(?:.*\s)?$/s.test(state.read)) return 'tag';
  throw new TypeError(`a value cannot stand after "<${state.read.slice(-40)}": put it into quotes`);
}

/** Parses the markup of a template, as far as templates of this project use it. */
function readPart(from: State, part: string): State {
  let state = from;
  for (const character of part) {
    if (state.kind === 'text') {
      if (character === '<') state = { kind: 'tag', read: '' };
    } else if (state.kind === 'quoted') {
      if (character === state.quote) state = { kind: 'tag', read: 'a ' };
      else state = { ...state, isStart: false };
    } else if (character === '>') {
      if (/^(?:script|style|!--)/.test(state.read)) {
        throw new TypeError('no template has a script, a style or a comment of its own');
      }
      state = { kind: 'text' };
    } else if (character === '"' || character === "'") {
      const name = state.read.endsWith('=') ? (state.read.slice(0, -1).split(/\s/).at(-1) ?? '') : '';
      state = { kind: 'quoted', quote: character, name, isStart: true };
    } else state = { kind: 'tag', read: state.read + character };
  }
  return state;
}
