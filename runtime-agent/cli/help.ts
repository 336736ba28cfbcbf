/** What `berth-agent --help` prints. */
export const HELP = `berth-agent answers the Docker Engine API and runs images as containers on this host.

Usage: berth-agent serve [options]
       berth-agent doctor [--json] [options]   tells what this host lacks, and the command that mends it
       berth-agent reset [--yes]               lists what agents that were killed have left on this host;
                                               with --yes it is removed

Options, and the environment variables that they win over:
  --socket PATH                 unix socket of the API (BERTH_AGENT_SOCKET; /run/berth-agent.sock)
  --socket-group GROUP          group that may use the socket (BERTH_AGENT_SOCKET_GROUP; root alone)
  --listen HOST:PORT            answers by TCP too, to who shows a certificate (BERTH_AGENT_LISTEN)
  --tls-ca FILE                 authority that vouches for clients (BERTH_AGENT_TLS_CA)
  --tls-cert, --tls-key FILE    certificate and key of this host, read again on SIGHUP
                                (BERTH_AGENT_TLS_CERT, BERTH_AGENT_TLS_KEY)
  --data DIR                    images, containers and state (BERTH_AGENT_DATA; /var/lib/berth-agent)
  --insecure-registry HOST:PORT registry that is asked by plain HTTP, may be repeated
                                (BERTH_AGENT_INSECURE_REGISTRIES, with commas)
  --registry-mirror [NAME=]URL  asked first for images of registry NAME (docker.io), may be repeated
                                (BERTH_AGENT_REGISTRY_MIRRORS, with commas)
  --registry-auth FILE          docker's config.json or containers' auth.json with the agent's own
                                logins, for who brings none; may be repeated
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
  --allow-build ENTITLEMENT     what builds may be given when their clients ask for it: network.host,
                                security.insecure (root on this host) or none; may be repeated
                                (BERTH_AGENT_ALLOW_BUILD, with commas; network.host)
  --build-cache-limit SIZE      what the builder keeps of earlier builds
                                (BERTH_AGENT_BUILD_CACHE_LIMIT; 20g)
  --build-context-limit SIZE    the largest context of a build
                                (BERTH_AGENT_BUILD_CONTEXT_LIMIT; 20g)
  --log-level LEVEL             trace, debug, info, warn, error, fatal or silent
                                (BERTH_AGENT_LOG_LEVEL; info)
  --watchdog TIME               ends the agent with code 70 and a stack in the log when it has answered
                                nothing for so long, for its supervisor to start it again, or off;
                                containers go on (BERTH_AGENT_WATCHDOG; 10s, slow machines need more)
  --config FILE                 JSON with socket, socketGroup, data, insecureRegistries, logLevel,
                                discardLayerBlobs, registryAuthFiles, registryMirrors,
                                httpProxy, httpsProxy, noProxy,
                                allowBuild, buildCacheLimit, buildContextLimit, layerLimit, listen,
                                tlsAuthority, tlsCertificate, tlsKey, watchdog

  -h, --help                    print this
  -v, --version                 print the version

Use it with the docker command: docker -H unix:///run/berth-agent.sock run --rm IMAGE
`;
