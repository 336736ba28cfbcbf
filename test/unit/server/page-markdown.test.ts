import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderMarkdown } from '../../../server/page/markdown.ts';

const render = async (text: string) => String(await renderMarkdown(text));

test('Markdown is markup, below the headings of the page', async () => {
  const text = '# Shop\n\n**bold** `code`\n\n- [docs](https://example.com/a?b=c)\n\n| a |\n|---|\n| 1 |\n';
  const made = await render(text);
  assert.match(made, /<h3>Shop<\/h3>/);
  assert.match(made, /<strong>bold<\/strong> <code>code<\/code>/);
  assert.match(made, /<a href="https:\/\/example\.com\/a\?b=c" rel="nofollow noreferrer noopener">docs<\/a>/);
  assert.match(made, /<td>1<\/td>/);
});

test('nothing in Markdown becomes a script, an attribute, an image, or a link to this server', async () => {
  for (const text of [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<svg/onload=alert(1)>',
    '<a href="javascript:alert(1)">x</a>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](java&#115;cript:alert(1))',
    '[x](&#x6A;avascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '[x](vbscript:x)',
    '[x](file:///etc/passwd)',
    '[x](/auth/logout)',
    '[x](//evil.example/)',
    '[x](?done=removed)',
    '<javascript:alert(1)>',
    '![x](javascript:alert(1))',
    '![x](/v2/_catalog)',
    '![x"onerror="alert(1)](https://a.example/"onerror="alert(1))',
    '[x](https://a.example/ "t\\" onmouseover=\\"alert(1)")',
    '```x" onmouseover="alert(1)\ncode\n```',
    '[x][y]\n\n[y]: javascript:alert(1)',
    '<!-- --><iframe src="https://evil.example"></iframe>',
    '<form action="/admin/users/remove"><button>x</button></form>',
    '<style>*{display:none}</style>',
    '<https://a.example/"onclick="alert(1)>',
  ]) {
    const made = await render(text);
    const tags = made.match(/<[^>]*>/g) ?? [];
    for (const tag of tags) {
      assert.match(
        tag,
        /^<\/?(?:p|a|code|pre|em|strong|h\d|ul|li)(?: (?:href|rel|title|class)="[^"<>]*")*>$/,
        `${text} gives ${tag}`,
      );
      const address = /href="([^"]*)"/.exec(tag)?.[1];
      if (address !== undefined) assert.match(address, /^https?:\/\//, text);
    }
  }
});
