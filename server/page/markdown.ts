import type MarkdownIt from 'markdown-it';
import type { Readme } from '../browse/browse.ts';
import { type Html, html, sanitised } from '../markup/html.ts';

type Renderer = InstanceType<typeof MarkdownIt>;
type Token = ReturnType<Renderer['parse']>[number];

/** Maximum characters of Markdown that are rendered: it takes time in proportion, and more for some texts. */
const LONGEST = 16 * 1024;

let renderer: Promise<Renderer> | undefined;

/** Renders a stranger's README as a section of a page. The library is loaded with the first one. */
export async function readmeOf(readme: Readme | undefined): Promise<Html> {
  if (readme === undefined || readme.text.trim() === '') return html``;
  const isCut = readme.truncated || readme.text.length > LONGEST;
  const text = readme.text.slice(0, LONGEST);
  const content =
    readme.mediaType === 'text/markdown' ? await renderMarkdown(text) : html`<pre>${text}</pre>`;
  return html`<section><h2>README</h2><div class="sheet markdown">${content}${isCut && html`<p class="soft">The rest is not shown: it is too long.</p>`}</div></section>`;
}

/**
 * Renders Markdown (CommonMark with tables) as markup: its own HTML becomes text, its links lead only to the web and
 * reveal nothing about this server, its images become links, and its headings rank below those of the page.
 */
export async function renderMarkdown(text: string): Promise<Html> {
  renderer ??= createRenderer();
  return sanitised((await renderer).render(text));
}

/** A part of a document below one heading. */
export interface DocumentSection {
  /** The anchor of its heading, as GitHub makes it; '' for the text above the first heading. */
  readonly anchor: string;
  readonly heading: string;
  /** Without markup, on one line. */
  readonly text: string;
}

/** A document of this project, for a page and for the search. */
export interface RenderedDocument {
  /** The first heading, which is not part of the content. */
  readonly title: string;
  readonly content: Html;
  readonly sections: readonly DocumentSection[];
}

/**
 * Renders a document as `renderMarkdown` does a README, but its headings have anchors, and `resolve` returns the
 * targets of links and images; if it returns undefined, only the text stays. Comments are left out.
 */
export async function renderDocument(
  text: string,
  resolve: (address: string) => string | undefined,
): Promise<RenderedDocument> {
  documentRenderer ??= createDocumentRenderer();
  const markdown = await documentRenderer;
  const env = {};
  const tokens = markdown.parse(text.replace(/^<!--.*-->$/gm, ''), env);
  const title = takeTitle(tokens);
  for (const { children } of tokens) if (children) resolveLinks(children, resolve);
  const sections = nameSections(tokens, title);
  return { title, content: sanitised(markdown.renderer.render(tokens, markdown.options, env)), sections };
}

let documentRenderer: Promise<Renderer> | undefined;

async function createDocumentRenderer(): Promise<Renderer> {
  const { default: MarkdownRenderer } = await import('markdown-it');
  const markdown = new MarkdownRenderer(OPTIONS);
  scrollTables(markdown);
  markdown.renderer.rules.image = (tokens, index) => {
    const token = tokens[index];
    return String(html`<img src="${token?.attrGet('src') ?? ''}" alt="${token?.content ?? ''}">`);
  };
  return markdown;
}

/** Makes tables scroll that are wider than the page, also by keyboard. */
function scrollTables(markdown: Renderer): void {
  const { rules } = markdown.renderer;
  rules.table_open = () => '<div class="rows" role="group" aria-label="Table" tabindex="0"><table>\n';
  rules.table_close = () => '</table></div>\n';
}

/** Removes the first heading from a document, and returns it. */
function takeTitle(tokens: Token[]): string {
  if (tokens[0]?.type !== 'heading_open') return '';
  return plainText(tokens.splice(0, 3)[1]);
}

function resolveLinks(tokens: Token[], resolve: (address: string) => string | undefined): void {
  const dropped: boolean[] = [];
  for (const token of tokens) {
    if (token.type === 'link_open') {
      const address = resolve(String(token.attrGet('href') ?? ''));
      dropped.push(address === undefined);
      if (address === undefined) hide(token);
      else {
        token.attrSet('href', address);
        if (/^https?:/i.test(address)) token.attrSet('rel', 'nofollow noreferrer noopener');
      }
    } else if (token.type === 'link_close') {
      if (dropped.pop()) hide(token);
    } else if (token.type === 'image') {
      const address = resolve(String(token.attrGet('src') ?? ''));
      if (address === undefined) hide(token, token.content);
      else token.attrSet('src', address);
    }
  }
}

function hide(token: Token, content = ''): void {
  token.type = 'text';
  token.content = content;
}

/** Gives each heading its anchor. */
function nameSections(tokens: readonly Token[], title: string): readonly DocumentSection[] {
  const sections = [{ anchor: '', heading: title, texts: [] as string[] }];
  const known = new Map<string, number>();
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'heading_open') {
      const heading = plainText(tokens[index + 1]);
      const plain = anchorOf(heading);
      const count = known.get(plain) ?? 0;
      known.set(plain, count + 1);
      const anchor = count === 0 ? plain : `${plain}-${count}`;
      token.attrSet('id', anchor);
      sections.push({ anchor, heading, texts: [] });
    } else if (token.info !== 'mermaid' && tokens[index - 1]?.type !== 'heading_open') {
      sections.at(-1)?.texts.push(plainText(token));
    }
  }
  return sections.map(({ anchor, heading, texts }) => ({
    anchor,
    heading,
    text: texts.join(' ').replace(/\s+/g, ' ').trim(),
  }));
}

function plainText(token: Token | undefined): string {
  if (token === undefined) return '';
  if (token.children === null) return token.content;
  return token.children.map(({ content, type }) => (type === 'softbreak' ? ' ' : content)).join('');
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

const OPTIONS = { html: false, linkify: false, typographer: false, maxNesting: 20 } as const;

async function createRenderer(): Promise<Renderer> {
  const { default: MarkdownRenderer } = await import('markdown-it');
  const markdown = new MarkdownRenderer(OPTIONS);
  scrollTables(markdown);
  markdown.validateLink = (address) => /^https?:\/\//i.test(address);
  markdown.renderer.rules.image = (tokens, index) => {
    const token = tokens[index];
    const address = token?.attrGet('src') ?? '';
    return String(
      html`<a href="${address}" rel="nofollow noreferrer noopener">${token?.content || address}</a>`,
    );
  };
  markdown.renderer.rules.link_open = (tokens, index, options, _env, self) => {
    tokens[index]?.attrSet('rel', 'nofollow noreferrer noopener');
    return self.renderToken(tokens, index, options);
  };
  for (const rule of ['heading_open', 'heading_close']) {
    markdown.renderer.rules[rule] = (tokens, index, options, _env, self) => {
      const token = tokens[index];
      if (token !== undefined) token.tag = `h${Math.min(6, Number(token.tag.slice(1)) + 2)}`;
      return self.renderToken(tokens, index, options);
    };
  }
  return markdown;
}
