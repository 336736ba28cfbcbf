#!/bin/sh
# Writes the *_pb.ts files of this folder, or of the folder named, anew from its .proto files. Needs Debian's
# protobuf-compiler and libprotobuf-dev.
set -eu
folder=$(dirname "$(readlink -f "$0")")
root=$folder/../../../..
exec protoc --plugin="$root/node_modules/.bin/protoc-gen-es" --proto_path="$folder" --es_out="${1:-$folder}" \
  --es_opt=target=ts,import_extension=ts,erasable_syntax=true "$folder"/*.proto

