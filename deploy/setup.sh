#!/bin/sh
# Makes the virtual environment VENV and installs the product into it, with the versions of constraints.txt.
# usage: setup.sh VENV [dev | models]
set -eu
venv=$1
extra=${2:-}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed; this is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11 or newer."
    exit 1
}

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! "$python" -m venv --clear "$venv" 2>/dev/null; then
        # Debian and Ubuntu keep the venv module in a package of its own.
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "Installing $package, which $python needs to make virtual environments."
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2
            "$python" -m venv --clear "$venv"
        else
            say "$python cannot make virtual environments. Run: sudo apt-get install $package"
            exit 1
        fi
    fi
fi

say "Installing into $venv (a few minutes the first time)."
# torch, which the extras need, is asked for by its exact version first: a CPU build found by pip's own settings then
# satisfies everything else.
[ -z "$extra" ] || "$venv/bin/python" -m pip install -qq --disable-pip-version-check --constraint constraints.txt torch
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable ".${extra:+[$extra]}"
