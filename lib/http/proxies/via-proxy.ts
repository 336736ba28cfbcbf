/**
 * Returns the options that make a Node Agent use `proxy`, whatever the environment says; no options without a proxy.
 */
export function viaProxy(proxy: URL | undefined): {
  readonly proxyEnv?: { readonly HTTP_PROXY: string; readonly HTTPS_PROXY: string };
} {
  return proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } };
}
