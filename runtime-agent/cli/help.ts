/** What `berth-agent --help` prints. */
export const HELP = `berth-agent answers the Docker Engine API and runs images as containers on this host.

Usage: berth-agent serve [options]
       berth-agent doctor [--json] [options]   lists what this host lacks, and the command that fixes it
       berth-agent reset [--yes]               lists bridges, packet filters and folders that killed agents
                                               left on this host; --yes removes them

Options, and the environment variables that they win over:
  --socket PATH                 unix socket of the API (BERTH_AGENT_SOCKET; /run/berth-agent.sock)
  --socket-group GROUP          group that may use the socket (BERTH_AGENT_SOCKET_GROUP; root alone)
  --listen HOST:PORT            also answers by TCP, to clients with a certificate (BERTH_AGENT_LISTEN)
  --tls-ca FILE                 authority that vouches for clients (BERTH_AGENT_TLS_CA)
  --tls-cert, --tls-key FILE    certificate and key of this host, read again on SIGHUP
                                (BERTH_AGENT_TLS_CERT, BERTH_AGENT_TLS_KEY)
  --data DIR                    images, containers and state (BERTH_AGENT_DATA; /var/lib/berth-agent)
  --insecure-registry HOST:PORT registry to reach by plain HTTP, may be repeated
                                (BERTH_AGENT_INSECURE_REGISTRIES, with commas)
  --registry-mirror [NAME=]URL  asked first for images of registry NAME (docker.io), may be repeated
                                (BERTH_AGENT_REGISTRY_MIRRORS, with commas)
  --registry-auth FILE          docker's config.json or containers' auth.json with the agent's own
                                logins, for clients that send none; may be repeated
                                (BERTH_AGENT_REGISTRY_AUTH, with colons)
  --http-proxy, --https-proxy [http://][USER:PASSWORD@]HOST:PORT
                                proxies to registries and to what builds fetch, for addresses of http
                                and https (BERTH_AGENT_HTTP_PROXY, BERTH_AGENT_HTTPS_PROXY, then
                                HTTP_PROXY, HTTPS_PROXY)
  --no-proxy LIST               hosts, .domains and networks without a proxy, with commas
                                (BERTH_AGENT_NO_PROXY, then NO_PROXY)
  --discard-layer-blobs         keep no compressed layers; a pulled image is then pushed with other
                                digests (BERTH_AGENT_DISCARD_LAYER_BLOBS; kept)
  --layer-limit SIZE            the largest layer of an image, uncompressed
                                (BERTH_AGENT_LAYER_LIMIT; 100g)
  --allow-build ENTITLEMENT     entitlement that clients may grant to builds: network.host,
                                security.insecure (root on this host) or none; may be repeated
                                (BERTH_AGENT_ALLOW_BUILD, with commas; network.host)
  --build-cache-limit SIZE      size of the build cache
                                (BERTH_AGENT_BUILD_CACHE_LIMIT; 20g)
  --build-context-limit SIZE    the largest context of a build
                                (BERTH_AGENT_BUILD_CONTEXT_LIMIT; 20g)
  --log-level LEVEL             trace, debug, info, warn, error, fatal or silent
                                (BERTH_AGENT_LOG_LEVEL; info)
  --watchdog TIME               when the agent hangs for so long, write the stack to the log and end it
                                with exit code 70, so that a supervisor restarts it; or off. Containers
                                go on (BERTH_AGENT_WATCHDOG; 10s, slow machines need more)
  --config FILE                 JSON with socket, socketGroup, data, insecureRegistries, logLevel,
                                discardLayerBlobs, registryAuthFiles, registryMirrors,
                                httpProxy, httpsProxy, noProxy,
                                allowBuild, buildCacheLimit, buildContextLimit, layerLimit, listen,
                                tlsAuthority, tlsCertificate, tlsKey, watchdog

  -h, --help                    print this
  -v, --version                 print the version

Use it with the docker command: docker -H unix:///run/berth-agent.sock run --rm IMAGE
`;
