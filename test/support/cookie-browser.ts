import { type HttpAnswer, sendRequest } from './http-client.ts';

/** A page, after all redirects. */
export interface Page extends HttpAnswer {
  readonly url: string;
  readonly text: string;
}

/** A browser without scripts: cookies by origin, redirects, links and forms. */
export class CookieBrowser {
  /** By origin and name. */
  readonly cookies = new Map<string, Map<string, string>>();

  /** One request, with the cookies of its origin; redirects are not followed. */
  async send(
    url: string,
    form?: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Page> {
    const { origin } = new URL(url);
    const jar = this.cookies.get(origin) ?? new Map<string, string>();
    this.cookies.set(origin, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await sendRequest(url, {
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        ...(cookie !== '' && { cookie }),
        ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded', origin }),
        ...headers,
      },
      ...(form !== undefined && { body: new URLSearchParams(form).toString() }),
    });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const gone = value === '' || /max-age=0\b|expires=Thu, 01 Jan 1970/i.test(line);
      if (gone) jar.delete(name);
      else jar.set(name, value);
    }
    return { ...answer, url, text: answer.body.toString('utf8') };
  }

  /** Follows redirects as far as `until` lets it. */
  async open(
    url: string,
    form?: Readonly<Record<string, string>>,
    until: (url: URL) => boolean = () => false,
  ): Promise<Page> {
    let page = await this.send(url, form);
    for (let hops = 0; hops < 20 && [301, 302, 303].includes(page.status); hops += 1) {
      const next = new URL(page.headers.location ?? '', page.url);
      if (until(next)) return page;
      page = await this.send(next.href);
    }
    return page;
  }
}

/** Reads the fields of a form in a page, and its action. */
export function formOf(
  page: Page,
  id?: string,
): { readonly action: string; readonly fields: Record<string, string> } {
  const forms = page.text.match(/<form[\s\S]*?<\/form>/g) ?? [];
  const form = forms.find((text) => id === undefined || text.includes(`id="${id}"`));
  if (form === undefined)
    throw new Error(`there is no form ${id ?? ''} on ${page.url}: ${page.text.slice(0, 2000)}`);
  const fields: Record<string, string> = {};
  for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1];
    if (name !== undefined) fields[name] = /value="([^"]*)"/.exec(tag)?.[1] ?? '';
  }
  const action = /action="([^"]*)"/.exec(form)?.[1] ?? page.url;
  return { action: new URL(action, page.url).href, fields };
}

/**
 * Logs in at `start`, a page of the registry that leads to oidc-provider's, as `login`; ends where `until` says, or
 * with the page after the login.
 */
export async function logInAs(
  browser: CookieBrowser,
  start: string,
  login: string,
  until?: (url: URL) => boolean,
): Promise<Page> {
  let page = await browser.open(start, undefined, until);
  for (let step = 0; step < 4 && page.text.includes('name="prompt"'); step += 1) {
    const { action, fields } = formOf(page);
    page = await browser.open(action, { ...fields, login, password: 'any' }, until);
  }
  return page;
}
