/** Texts that a careless page would run, leave an attribute by, or be led away by. */
export const HOSTILE: readonly string[] = [
  '<script>alert("text")</script>',
  '"><script>alert("double")</script>',
  "'><img src=x onerror=alert('single')>",
  '" autofocus onfocus="alert(1)" x="',
  'javascript:alert("address")',
  '</title></style></textarea></code></pre></dialog><svg/onload=alert(2)>',
  '<form action="/auth/logout" method="post"><button>Log out</button></form>',
  '<meta http-equiv="refresh" content="0;url=https://evil.example">',
  '<base href="https://evil.example/">',
  '\u202egnp.exe\u0000\u0007',
  '{{7*7}} <%= 7*7 %>',
];
/** All of them. */
export const HOSTILE_IN_ONE = HOSTILE.join(' ');

/** A script of a page that answers the elements and attributes that only hostile texts could have made; no page has any. */
export const STRANGERS = `[
  ...document.querySelectorAll('script:not([src^="/assets/"]), style, iframe, object, embed, base, svg:not(.brand > svg), meta[http-equiv], img:not([src^="/assets/"]), body form form'),
  ...[...document.querySelectorAll('*')].filter((one) => [...one.attributes].some(({ name }) => /^(?:on|style$|srcdoc$)/.test(name))),
  ...[...document.querySelectorAll('[href], [action]')].filter((one) =>
    !/^(?:https?:|\\/(?![/\\\\])|#|\\?)/.test(one.getAttribute('href') ?? one.getAttribute('action'))),
  ...[...document.querySelectorAll('form')].filter((one) => new URL(one.getAttribute('action'), location).origin !== location.origin),
].map((one) => one.outerHTML.slice(0, 200))`;
