/** What an Agent of Node is given that connects by a proxy, whatever the environment says; nothing for one without. */
export function viaProxy(proxy: URL | undefined): {
  readonly proxyEnv?: { readonly HTTP_PROXY: string; readonly HTTPS_PROXY: string };
} {
  return proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } };
}
