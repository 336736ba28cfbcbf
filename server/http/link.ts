/** The value of a Link header that leads to the next page (RFC 8288): a path on this host and its query. */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(query)}>; rel="next"`;
}
