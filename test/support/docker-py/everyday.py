"""The everyday calls of docker-py against the engine that DOCKER_HOST names; argv[1] is an image of busybox there."""

import io
import sys
import tarfile

import docker

client = docker.from_env(timeout=120)
image_name = sys.argv[1]


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def raises(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error} was expected")


check(client.ping(), "ping")
check(client.version()["ApiVersion"], "version")
check(client.info()["OSType"] == "linux", "info")

# images
image = client.images.get(image_name)
check(image_name in image.tags, "tags")
check(image.attrs["Architecture"], "attrs")
check(len(image.history()) >= 1, "history")
check(any(image.id == each.id for each in client.images.list()), "images.list")
check(image.tag("py/copy", "1"), "tag")
check(client.images.get("py/copy:1").id == image.id, "tagged")
saved = b"".join(image.save(named=True))
client.images.remove("py/copy:1")
raises(docker.errors.ImageNotFound, lambda: client.images.get("py/copy:1"))
check(client.images.load(saved)[0].id == image.id, "load")

# containers
check(client.containers.run(image_name, ["echo", "hello"], remove=True) == b"hello\n", "run")
try:
    client.containers.run(image_name, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    raise AssertionError("a failing command must raise")
except docker.errors.ContainerError as error:
    check(error.exit_status == 3 and error.stderr == b"bad\n", "exit status")
box = client.containers.run(
    image_name,
    ["sh", "-c", "echo started; exec sleep 1000"],
    name="py-box",
    detach=True,
    environment={"A": "b"},
    labels={"py": "yes"},
    mem_limit="64m",
    ports={"80/tcp": ("127.0.0.1", None)},
    healthcheck={"test": ["CMD", "true"], "interval": 10**9},
)
box.reload()
check(box.status == "running", "status")
check(box.attrs["HostConfig"]["Memory"] == 64 << 20, "memory")
check(box.ports["80/tcp"][0]["HostIp"] == "127.0.0.1", "ports")
check([each.name for each in client.containers.list(filters={"label": "py=yes"})] == ["py-box"], "list")
for line in box.logs(stream=True, follow=True):
    check(line == b"started\n", "logs")
    break
check("sleep" in str(box.top()["Processes"]), "top")
check(box.stats(stream=False)["memory_stats"]["usage"] > 0, "stats")

# exec
code, output = box.exec_run(["sh", "-c", "echo $A; exit 4"])
check((code, output) == (4, b"b\n"), f"exec {code} {output}")
code, (out, err) = box.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
check((code, out, err) == (0, b"o\n", b"e\n"), "demux")
_, stream = box.exec_run(["sh", "-c", "echo 1; echo 2"], stream=True)
check(b"".join(stream) == b"1\n2\n", "stream")
handle = client.api.exec_create(box.id, ["cat"], stdin=True)
sock = client.api.exec_start(handle["Id"], socket=True)
raw = getattr(sock, "_sock", sock)
raw.sendall(b"through\n")
received = b""
while b"through\n" not in received:
    more = raw.recv(4096)
    check(more != b"", "socket")
    received += more
raw.close()

# archive
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode="w") as tar:
    entry = tarfile.TarInfo("note.txt")
    entry.size = 5
    entry.mtime = 1700000000
    tar.addfile(entry, io.BytesIO(b"note\n"))
check(box.put_archive("/tmp", buffer.getvalue()), "put_archive")
check(box.exec_run(["cat", "/tmp/note.txt"]).output == b"note\n", "put")
chunks, stat = box.get_archive("/tmp/note.txt")
check(stat["name"] == "note.txt" and stat["size"] == 5, "stat")
with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
    check(tar.extractfile("note.txt").read() == b"note\n", "get")
check({"Path": "/tmp/note.txt", "Kind": 1} in box.diff(), "diff")
check(len(b"".join(box.export())) > 1000, "export")

# commit
committed = box.commit("py/committed", "1", changes='CMD ["cat", "/tmp/note.txt"]')
check(client.containers.run("py/committed:1", remove=True) == b"note\n", "commit")
client.images.remove("py/committed:1")

# life
box.rename("py-renamed")
check(client.containers.get("py-renamed").id == box.id, "rename")
box.pause()
box.reload()
check(box.status == "paused", "pause")
box.unpause()
box.update(mem_limit="96m", memswap_limit="192m")
box.reload()
check(box.attrs["HostConfig"]["Memory"] == 96 << 20, "update")
box.restart(timeout=1)
box.kill("SIGKILL")
check(box.wait(timeout=120)["StatusCode"] == 137, "wait")
box.remove()
raises(docker.errors.NotFound, lambda: client.containers.get("py-renamed"))

# volumes
volume = client.volumes.create("py-volume", labels={"py": "yes"})
mounted = {"py-volume": {"bind": "/v", "mode": "rw"}}
client.containers.run(image_name, ["sh", "-c", "echo kept > /v/f"], volumes=mounted, remove=True)
check(client.containers.run(image_name, ["cat", "/v/f"], volumes=mounted, remove=True) == b"kept\n", "volume")
check([each.name for each in client.volumes.list(filters={"label": "py=yes"})] == ["py-volume"], "volumes.list")
volume.remove()
raises(docker.errors.NotFound, lambda: client.volumes.get("py-volume"))

# networks
network = client.networks.create("py-net", labels={"py": "yes"})
server = client.containers.run(image_name, ["sleep", "1000"], name="py-server", network="py-net", detach=True)
lookup = ["sh", "-c", "until nslookup py-server; do sleep 1; done"]
found = client.containers.run(image_name, lookup, network="py-net", remove=True)
network.reload()
check(server.id in network.attrs["Containers"], "containers of a network")
address = network.attrs["Containers"][server.id]["IPv4Address"].split("/")[0]
check(address.encode() in found, "name")
network.disconnect(server)
network.connect(server, aliases=["other"])
server.remove(force=True)
network.remove()

# events
events = client.events(decode=True, filters={"type": "container", "event": ["create", "die", "destroy"]})
client.containers.run(image_name, ["true"], remove=True, name="py-event")
seen = []
for event in events:
    if event["Actor"]["Attributes"].get("name") == "py-event":
        seen.append(event["Action"])
    if seen[-1:] == ["destroy"]:
        break
events.close()
check(seen == ["create", "die", "destroy"], f"events {seen}")

# prune and df
client.containers.create(image_name, ["true"], labels={"py": "prune"})
check(len(client.containers.prune(filters={"label": "py=prune"})["ContainersDeleted"]) == 1, "prune")
check(client.volumes.prune()["SpaceReclaimed"] >= 0, "volumes.prune")
client.networks.prune()
client.images.prune()
check(any(each["Id"] == image.id for each in client.df()["Images"]), "df")
print("all is well")
