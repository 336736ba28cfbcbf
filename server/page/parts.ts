import { type Html, html, type Value } from '../markup/html.ts';

/** A link to a parent of a page. */
export interface Crumb {
  readonly href: string;
  readonly text: string;
}

/** Renders the head of a page: its location, its name, and its actions. */
export function pageHead(
  title: Value,
  {
    actions,
    crumbs = [],
    lead,
  }: { readonly crumbs?: readonly Crumb[]; readonly lead?: Value; readonly actions?: Html } = {},
): Html {
  const up = crumbs.map(({ href, text }) => html`<li><a href="${href}">${text}</a></li>`);
  return html`<div class="head"><div>${up.length > 0 && html`<nav aria-label="Where this is"><ol class="crumbs">${up}</ol></nav>`}
<h1>${title}</h1>${lead !== undefined && html`<p class="lead">${lead}</p>`}</div>${actions && html`<div class="actions">${actions}</div>`}</div>`;
}

/** A column of a table: its heading, as text or with a link that sorts by it. */
export interface Column {
  readonly head: Value;
  /** `number`: right-aligned. `wide`: only if there is room. `end`: buttons. */
  readonly kind?: 'number' | 'wide' | 'wide number' | 'end' | 'wide end' | 'text' | 'wide text';
  readonly sorted?: 'ascending' | 'descending' | undefined;
}

/**
 * Renders a table whose first column names its rows. `cells` has as many values as there are columns. Nobody must
 * scroll sideways on a phone: there the buttons of a row are below its other cells, and with `stacks` all cells are
 * below each other, for long texts.
 */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Value[])[],
  { stacks = false }: { readonly stacks?: boolean } = {},
): Html {
  const hasButtons = columns.some(({ kind }) => kind === 'end');
  const onPhones = columns.filter(({ kind }) => kind !== 'end' && !kind?.startsWith('wide'));
  // Cells of rows with buttons are in two columns on a phone.
  const classOf = (column: Column | undefined) =>
    `${column?.kind ?? ''}${hasButtons && column && onPhones.indexOf(column) % 2 === 0 ? ' left' : ''}`;
  const heads = columns.map((column) => {
    const { head, kind, sorted } = column;
    return html`<th scope="col" class="${classOf(column)}"${sorted === undefined ? '' : html` aria-sort="${sorted}"`}>${
      kind?.endsWith('end') ? html`<span class="soft">${head}</span>` : head
    }</th>`;
  });
  const body = rows.map((cells) => {
    const [first, ...rest] = cells;
    const others = rest.map((cell, index) => {
      const column = columns[index + 1];
      return html`<td class="${classOf(column)}"${stacks && html` data-head="${column?.head}"`}>${cell}</td>`;
    });
    return html`<tr><th scope="row" class="${classOf(columns[0])}">${first}</th>${others}</tr>`;
  });
  const layout = stacks ? 'stacks' : hasButtons ? `acts of-${onPhones.length}` : '';
  return html`<div class="rows" role="region" aria-label="${caption}" tabindex="0"><table class="${layout}"><caption>${caption}</caption>
<thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Renders a command, with a button that copies it if there is a script. */
export function command(text: string): Html {
  return html`<div class="command"><code>${text}</code><button type="button" class="copy" data-copy="${text}" hidden>Copy</button></div>`;
}

/** Renders a text in place of a table without rows. */
export function empty(title: string, text: Value): Html {
  return html`<div class="sheet empty"><h2>${title}</h2>${text}</div>`;
}

export function notice(kind: 'good' | 'warn' | 'bad' | 'info', content: Value): Html {
  return html`<div class="notice ${kind}" role="${kind === 'bad' ? 'alert' : 'status'}"><p>${content}</p></div>`;
}

/** A name and its value. */
export type Fact = readonly [name: string, value: Value];

/** Renders short facts side by side. */
export function facts(pairs: readonly Fact[]): Html {
  return html`<dl class="facts">${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Renders long facts below each other. */
export function pairs(list: readonly Fact[]): Html {
  return html`<dl class="pairs">${list.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

interface FieldTerms {
  readonly label: string;
  readonly name: string;
  readonly value?: string;
  readonly type?: 'text' | 'search' | 'password' | 'url' | 'number';
  readonly help?: Value;
  readonly isOptional?: boolean;
  readonly autocomplete?: string;
  readonly maxLength?: number;
}

/** Renders a field of a form with its label. `id` is the field's ID in the page. */
export function field(id: string, terms: FieldTerms): Html {
  const {
    autocomplete = 'off',
    help,
    isOptional = false,
    label,
    maxLength = 1000,
    name,
    type = 'text',
    value = '',
  } = terms;
  const described = help === undefined ? '' : html` aria-describedby="${id}-help"`;
  return html`<div class="field"><label for="${id}">${label}${isOptional && html` <span class="soft">(optional)</span>`}</label>
<input id="${id}" name="${name}" type="${type}" value="${value}" autocomplete="${autocomplete}" autocapitalize="none" spellcheck="false" maxlength="${maxLength}"${described}${
    isOptional ? '' : html` required`
  }>${help !== undefined && html`<p class="small" id="${id}-help">${help}</p>`}</div>`;
}

/** Renders a choice among some values. */
export function choice(
  id: string,
  {
    label,
    name,
    values,
    value,
  }: {
    readonly label: string;
    readonly name: string;
    readonly values: readonly (readonly [value: string, text: string])[];
    readonly value?: string;
  },
): Html {
  const options = values.map(
    ([one, text]) => html`<option value="${one}"${one === value ? html` selected` : ''}>${text}</option>`,
  );
  return html`<div class="field"><label for="${id}">${label}</label><select id="${id}" name="${name}">${options}</select></div>`;
}

/** Renders links to the previous and next pages of a list. */
export function pager(first: string | undefined, next: string | undefined): Html {
  if (first === undefined && next === undefined) return html``;
  return html`<nav class="pager" aria-label="Pages"><span>${first !== undefined && html`<a href="${first}" rel="first">First page</a>`}</span>
<span>${next !== undefined && html`<a class="button" href="${next}" rel="next">Next page</a>`}</span></nav>`;
}

/** Renders links to pages about the same thing. */
export function tabs(
  label: string,
  links: readonly { readonly href: string; readonly text: string; readonly isCurrent: boolean }[],
): Html {
  const items = links.map(
    ({ href, isCurrent, text }) =>
      html`<a href="${href}"${isCurrent ? html` aria-current="page"` : ''}>${text}</a>`,
  );
  return html`<nav class="tabs" aria-label="${label}">${items}</nav>`;
}

/** Renders a checkbox. */
export function check(
  id: string,
  {
    isChecked = false,
    isRequired = false,
    label,
    name,
    value = 'on',
  }: {
    readonly label: string;
    readonly name: string;
    readonly value?: string;
    readonly isChecked?: boolean;
    readonly isRequired?: boolean;
  },
): Html {
  return html`<div class="field"><label class="check" for="${id}"><input id="${id}" type="checkbox" name="${name}" value="${value}"${isChecked ? html` checked` : ''}${isRequired ? html` required` : ''}>${label}</label></div>`;
}

/** Renders a field of several lines. */
export function area(
  id: string,
  {
    help,
    label,
    name,
    rows = 3,
    value = '',
  }: {
    readonly label: string;
    readonly name: string;
    readonly value?: string;
    readonly rows?: number;
    readonly help?: Value;
  },
): Html {
  return html`<div class="field"><label for="${id}">${label}</label><textarea id="${id}" name="${name}" rows="${rows}" maxlength="4000" spellcheck="false"${
    help === undefined ? '' : html` aria-describedby="${id}-help"`
  }>${value}</textarea>${help !== undefined && html`<p class="small" id="${id}-help">${help}</p>`}</div>`;
}
