# An image of the agent. From the project's folder: docker build --file deploy/agent.Dockerfile --tag berth-agent .
# An agent makes mounts, namespaces and bridges: it needs a privileged container.
FROM debian:trixie-slim AS install
RUN apt-get update && apt-get install --yes --no-install-recommends nodejs npm ca-certificates
WORKDIR /opt/berth
COPY package.json package-lock.json ./
COPY deploy/prepare.sh deploy/
# Sources and headers are for who compiles.
RUN sh deploy/prepare.sh image && rm -rf node_modules/node-linux-*/include node_modules/better-sqlite3/deps

FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates libatomic1 conmon crun \
  golang-github-containers-common isal nftables tini util-linux zstd \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/berth
COPY --from=install /opt/berth/node_modules node_modules
COPY package.json LICENSE ./
COPY auth auth
COPY fleet fleet
COPY lib lib
COPY oci oci
COPY storage storage
COPY runtime-agent runtime-agent
RUN ln -s /opt/berth/runtime-agent/cli/berth-agent /usr/local/bin/berth-agent
STOPSIGNAL SIGTERM
ENTRYPOINT ["berth-agent"]
CMD ["serve"]
