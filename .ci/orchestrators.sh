#!/bin/sh
# Delegates tasks to the real program with five orchestrators' own classes for remote agents, each in an environment of
# its own (2 GB together, some minutes the first time). None of them asks a language model.
#
# ENVIRONMENTS   where they are kept between runs (default ~/.cache/omniroute-ci/orchestrators)
# PYTHON         a Python with the project and its tests' packages (default python3)
set -eu

ENVIRONMENTS=${ENVIRONMENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/omniroute-ci/orchestrators}
PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)

# environment NAME PACKAGE ARGUMENT ...: made anew when the package is another one.
environment() {
    place=$ENVIRONMENTS/$1
    package=$2
    shift 2
    grep -qsxF "$package" "$place/installed" && return
    echo "installing $package into $place" >&2
    "$PYTHON" -m venv --clear "$place"
    # httpx 1.0 is another interface.
    "$place/bin/pip" install --quiet "$package" "httpx<1" "$@" >&2
    echo "$package" >"$place/installed"
}

environment adk "google-adk[a2a]==2.13.0"
environment agent_framework "agent-framework-a2a==1.0.0b261022" --pre
environment beeai "beeai-framework[a2a]==0.1.85"
environment crewai "crewai[a2a]==1.15.30"
environment strands "strands-agents[a2a]==1.62.0"

# Its reports home would wait for a network.
export CREWAI_DISABLE_TELEMETRY=true OTEL_SDK_DISABLED=true
exec "$PYTHON" "$here/../tests/interop/orchestrated.py" "$ENVIRONMENTS"
