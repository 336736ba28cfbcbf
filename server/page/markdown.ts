import type MarkdownIt from 'markdown-it';
import type { Readme } from '../browse/browse.ts';
import { type Html, html, sanitised } from '../markup/html.ts';

type Renderer = InstanceType<typeof MarkdownIt>;

/** Characters of Markdown that are rendered: it takes time in proportion, and more for some. */
const LONGEST = 16 * 1024;

let renderer: Promise<Renderer> | undefined;

/** A README that strangers wrote, as a section of a page. The library is loaded with the first one. */
export async function readmeOf(readme: Readme | undefined): Promise<Html> {
  if (readme === undefined || readme.text.trim() === '') return html``;
  const isCut = readme.truncated || readme.text.length > LONGEST;
  const text = readme.text.slice(0, LONGEST);
  const content =
    readme.mediaType === 'text/markdown' ? await renderMarkdown(text) : html`<pre>${text}</pre>`;
  return html`<section><h2>README</h2><div class="sheet markdown">${content}${isCut && html`<p class="soft">The rest is not shown: it is too long.</p>`}</div></section>`;
}

/**
 * Markdown (CommonMark with tables) as markup: its own HTML is text, its links lead to the web alone and say nothing of this
 * server, its images are links, and its headings stand below those of the page.
 */
export async function renderMarkdown(text: string): Promise<Html> {
  renderer ??= createRenderer();
  return sanitised((await renderer).render(text));
}

async function createRenderer(): Promise<Renderer> {
  const { default: MarkdownRenderer } = await import('markdown-it');
  const markdown = new MarkdownRenderer({ html: false, linkify: false, typographer: false, maxNesting: 20 });
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
