/** Returns the target of the link with `rel=next` in a Link header (RFC 8288); undefined without one. */
export function nextLink(header: string): string | undefined {
  for (const link of header.split(/,(?=\s*<)/)) {
    const end = link.indexOf('>');
    const start = link.indexOf('<');
    if (start < 0 || end < start) continue;
    const parameters = link.slice(end + 1).split(';');
    if (parameters.some((parameter) => /^rel="?next"?$/i.test(parameter.trim()))) {
      return link.slice(start + 1, end);
    }
  }
  return undefined;
}
