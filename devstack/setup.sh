#!/bin/sh
# Makes .venv with everything in requirements-dev.txt; returns at once when it is there already.
# Needs nothing but a Python 3.11 or later that can make virtual environments.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
pins=requirements-dev.txt
installed=$venv/$pins # a copy: newer dates on the same content change nothing

works() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if cmp -s "$pins" "$installed" && works "$venv/bin/python"; then
    exit 0
fi

if ! works "$venv/bin/python"; then
    python=
    bare=
    # A name on the PATH may be a shim for a version that is not there, so each is tried.
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        works "$candidate" || continue
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            python=$candidate
            break
        fi
        bare=${bare:-$candidate}
    done
    if [ -z "$python" ] && [ -n "$bare" ]; then
        echo "$bare is new enough but cannot make virtual environments." >&2
        echo "On Debian and Ubuntu, run as root: apt-get install python3-venv" >&2
        exit 1
    fi
    if [ -z "$python" ]; then
        found=$(python3 --version 2>/dev/null || echo "no python3")
        echo "Porchlight needs Python 3.11 or later; here is $found." >&2
        echo "Install one, or name one: make setup PYTHON=/path/to/python3" >&2
        exit 1
    fi
    echo "Making $venv with $("$python" --version) …"
    "$python" -m venv --clear "$venv"
fi

echo "Installing the packages of $pins (once, about a minute) …"
rm -f "$installed"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
    --require-hashes --requirement "$pins"
cp "$pins" "$installed"
