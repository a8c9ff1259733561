#!/bin/sh
# Starts the Image Storage Service on this machine, with its own AWS emulator unless AWS_ENDPOINT_URL is set.
#
#   ./startup.sh               install what is missing, serve on http://127.0.0.1:5000 until Ctrl-C
#   ./startup.sh test [...]    run the test suite; further arguments go to pytest
#
# Needs Python 3.11 or newer and nothing else. Settings: .env.example
set -eu
CDPATH= cd -- "$(dirname -- "$0")"

fail() {
    echo "startup.sh: $*" >&2
    exit 1
}

find_python() {
    set -- python3 python3.14 python3.13 python3.12 python3.11 python
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    for candidate; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or newer (found: $("${PYTHON:-python3}" --version 2>&1 | head -n 1)); set PYTHON to one"
}

# Installs a requirements file into .venv, unless exactly this file is what was installed last.
install() {
    # An interrupted venv has a python already, but no pip: it is made again.
    if [ ! -x .venv/bin/python ] || [ -e .venv/unfinished ]; then
        python=$(find_python)
        echo "Making .venv with $("$python" --version) ..."
        rm -rf .venv
        mkdir .venv
        : >.venv/unfinished
        "$python" -m venv .venv || fail "cannot make .venv (on Debian and Ubuntu: apt install python3-venv)"
        rm .venv/unfinished
    fi
    if ! cmp -s "$1" ".venv/installed-$1"; then
        echo "Installing $1, which takes a minute or two ..."
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1" ||
            fail "cannot install $1; the lines above say why"
        cp "$1" ".venv/installed-$1"
    fi
}

case "${1:-run}" in
-h | --help | help)
    sed -n '2,/^set/s/^# \{0,1\}//p' startup.sh
    ;;
run)
    [ $# -le 1 ] || fail "run takes no arguments; settings come from the environment or .env"
    install requirements-local.txt
    exec .venv/bin/python -m app run
    ;;
test)
    shift
    install requirements-dev.txt
    exec .venv/bin/python -m pytest "$@"
    ;;
*)
    fail "unknown command '$1'; there are: run (the default), test"
    ;;
esac
