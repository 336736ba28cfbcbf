"""OpenStack Swift (account, container, object and proxy servers with s3api and tempauth) in one process, on loopback.

usage: swift-server.py DIR ACCOUNT:USER SECRET PROXY_PORT ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT
The access key of S3 is ACCOUNT:USER.
"""
import eventlet
eventlet.monkey_patch()
import eventlet.wsgi
import getpass
import logging
import os
import sys
import time

DIR, USER, SECRET = sys.argv[1:4]
PROXY, ACCOUNT, CONTAINER, OBJECT = map(int, sys.argv[4:8])


def write(name, text):
    with open(os.path.join(DIR, name), 'w') as file:
        file.write(text)


os.makedirs(os.path.join(DIR, 'dev', 'd1'), exist_ok=True)
write('swift.conf', """[swift-hash]
swift_hash_path_suffix = s
swift_hash_path_prefix = p
[storage-policy:0]
name = one
default = yes
""")
COMMON = f"""[DEFAULT]
swift_dir = {DIR}
devices = {DIR}/dev
mount_check = false
bind_ip = 127.0.0.1
workers = 0
user = {getpass.getuser()}
log_level = WARNING
log_address = {DIR}/nolog
disable_fallocate = true
fallocate_reserve = 0
db_preallocation = off
"""
write('account.conf', COMMON + '[app:main]\nuse = egg:swift#account\n')
write('container.conf', COMMON + '[app:main]\nuse = egg:swift#container\n')
write('object.conf', COMMON + '[app:main]\nuse = egg:swift#object\n')
write('proxy.conf', COMMON + f"""[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth copy bulk slo dlo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:copy]
use = egg:swift#copy
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
max_manifest_size = 16777216
yield_frequency = 10
rate_limit_under_size = 0
[filter:dlo]
use = egg:swift#dlo
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
max_upload_part_num = 10000
max_multi_delete_objects = 1000
min_segment_size = 1
[filter:tempauth]
use = egg:swift#tempauth
user_{USER.replace(':', '_')} = {SECRET} .admin
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
""")


class ToStderr(logging.StreamHandler):
    """Swift logs to syslog only."""
    LOG_LOCAL0 = 16

    def __init__(self, *_, **__):
        super().__init__(sys.stderr)


import swift.common.utils.logs
swift.common.utils.logs.ThreadSafeSysLogHandler = ToStderr
from swift.common import constraints, storage_policy, utils
utils.set_swift_dir(DIR)
utils.validate_hash_conf()
constraints.reload_constraints()
storage_policy.reload_storage_policies()
from swift.common.ring import RingBuilder

PORTS = {'account': ACCOUNT, 'container': CONTAINER, 'object': OBJECT}
for name, port in PORTS.items():
    builder = RingBuilder(1, 1, 0)
    builder.add_dev({
        'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'device': 'd1',
        'ip': '127.0.0.1', 'port': port, 'replication_ip': '127.0.0.1', 'replication_port': port,
    })
    builder.rebalance()
    builder.get_ring().save(f'{DIR}/{name}.ring.gz')


class Memory(dict):
    """Stands in for memcached: there is one process only."""

    def __bool__(self):
        return True

    def get(self, key, raise_on_error=False, **_):
        value, until = dict.get(self, key, (None, 0))
        if until and until < time.time():
            self.pop(key, None)
            return None
        return value

    def set(self, key, value, serialize=True, time=0, **_):
        self[key] = (value, _now() + time if time else 0)

    def incr(self, key, delta=1, time=0, **_):
        value = max(0, int(self.get(key) or 0) + delta)
        self.set(key, value, time=time)
        return value

    def decr(self, key, delta=1, time=0, **_):
        return self.incr(key, -delta, time)

    def delete(self, key, *_, **__):
        self.pop(key, None)

    def set_multi(self, values, key, serialize=True, time=0, **_):
        for name, value in values.items():
            self.set((key, name), value, time=time)

    def get_multi(self, names, key, **_):
        return [self.get((key, name)) for name in names]


_now = time.time
import swift.common.middleware.memcache
swift.common.middleware.memcache.load_memcache = lambda *_: Memory()
from swift.common.wsgi import SwiftHttpProtocol, loadapp


def serve(name, port):
    socket = eventlet.listen(('127.0.0.1', port), backlog=1024)
    app = loadapp(f'{DIR}/{name}.conf')
    return eventlet.spawn(
        eventlet.wsgi.server, socket, app, open(os.devnull, 'w'), protocol=SwiftHttpProtocol,
        custom_pool=eventlet.GreenPool(1024), log_output=False, capitalize_response_headers=False)


for name, port in PORTS.items():
    serve(name, port)
serve('proxy', PROXY).wait()
