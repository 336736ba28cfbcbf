/** Where somebody goes on after a login: a path of this server; undefined for what could lead anywhere else. */
export function returnPath(text: string | undefined, pathPrefix: string): string | undefined {
  if (text === undefined || text.length > 1024 || !/^\/(?![/\\])[\x21-\x7e]*$/.test(text)) return undefined;
  const base = 'https://berth.invalid';
  const url = URL.parse(text, base);
  if (url === null || url.origin !== base || url.pathname.startsWith('//')) return undefined;
  return url.pathname.startsWith(`${pathPrefix}/`) ? `${url.pathname}${url.search}` : undefined;
}
