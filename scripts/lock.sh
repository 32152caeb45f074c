#!/bin/sh
# Write the hash-pinned locks from pyproject.toml. A lock names versions and digests, never a host.
set -eu
cd "$(dirname "$0")/.."
UV="${UV:-uv}"
command -v "$UV" >/dev/null || {
    echo "make lock needs uv: python3 -m pip install uv, or UV=/path/to/uv make lock" >&2
    exit 1
}
OPTIONS="--universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url"

write() { # FILE WHAT ARGUMENTS…
    file=$1 what=$2
    shift 2
    # shellcheck disable=SC2086
    "$UV" pip compile -q --no-header $OPTIONS ${UPGRADE:+--upgrade} -o "$file" "$@"
    { echo "# $what. Written by \`make lock\`; edit pyproject.toml instead."; cat "$file"; } >"$file.new"
    mv "$file.new" "$file"
    if grep -n '://' "$file"; then
        echo "$file names a host" >&2
        exit 1
    fi
}

write requirements.lock "What Deskwire runs on" pyproject.toml
write requirements-dev.lock "What it is built, tested and checked with" pyproject.toml --group dev
write requirements-postgres.lock "What a DATABASE_URL of PostgreSQL needs besides" \
    --group postgres -c requirements.lock
write requirements-s3.lock "What a FILES_URL of a bucket needs besides" --group s3 -c requirements.lock
write requirements-node.lock "Node, if none is installed" --group node
