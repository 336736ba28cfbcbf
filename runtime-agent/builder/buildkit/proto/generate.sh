#!/bin/sh
# Writes the *_pb.ts files of this folder anew, or into the folder named, from its .proto files. Needs Debian's
# protobuf-compiler and libprotobuf-dev.
set -eu
folder=$(dirname "$(readlink -f "$0")")
root=$folder/../../../..
# One by one: one service is there in two forms.
for file in "$folder"/*.proto; do
  protoc --plugin="$root/node_modules/.bin/protoc-gen-es" --proto_path="$folder" --es_out="${1:-$folder}" \
    --es_opt=target=ts,import_extension=ts,erasable_syntax=true "$file"
done
