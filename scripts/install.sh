#!/bin/sh
# Make .venv and fill it: scripts/install.sh requirements.txt [requirements-dev.txt ...]
# Quick when nothing changed: a stamp in .venv holds the checksum of each file installed.
# PYTHON=/path/to/python chooses the interpreter; pip's own variables (PIP_INDEX_URL ...) are respected.
set -eu
cd "$(dirname "$0")/.."

if [ "$(uname -s)" = Darwin ]; then
    if [ "$(uname -m)" != arm64 ]; then
        echo "scVI Studio needs a Mac with Apple silicon (M1 or newer): PyTorch is no longer built for Intel processors." >&2
        exit 1
    fi
    if [ "$(sw_vers -productVersion | cut -d. -f1)" -lt 14 ]; then
        echo "scVI Studio needs macOS 14 or newer, as PyTorch does. This is macOS $(sw_vers -productVersion)." >&2
        exit 1
    fi
fi

in_range='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

usable() { # runs at all (pyenv's shims exist without running), right version, able to make environments
    "$1" -c "$in_range" >/dev/null 2>&1 && "$1" -c 'import venv, ensurepip' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if usable "$PYTHON"; then
            echo "$PYTHON"
            return
        fi
        echo "PYTHON=$PYTHON cannot be used: scVI Studio needs Python 3.11, 3.12 or 3.13 with the venv module." >&2
        return 1
    fi
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    cat >&2 <<'MESSAGE'
No suitable Python was found. scVI Studio needs Python 3.11, 3.12 or 3.13 with the venv module.
  macOS:          brew install python@3.12   (or the installer from python.org)
  Debian, Ubuntu: sudo apt install python3 python3-venv
Then run this again, or name an interpreter yourself: make run PYTHON=/path/to/python3.12
MESSAGE
    return 1
}

if ! .venv/bin/python -c "$in_range" >/dev/null 2>&1; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version 2>&1) ($python)"
    rm -rf .venv
    "$python" -m venv .venv
fi

for file in "$@"; do
    [ "$(cat ".venv/.installed-$file" 2>/dev/null || true)" = "$(cksum <"$file")" ] || missing=yes
done
if [ -z "${missing:-}" ]; then
    exit 0
fi

echo "Installing $* into .venv (a few minutes the first time)"
arguments=""
for file in "$@"; do
    arguments="$arguments -r $file"
done
quiet=-qq
if [ -t 1 ]; then # with an NVIDIA build of torch it is gigabytes: pip's progress bars are wanted
    quiet=""
fi
# shellcheck disable=SC2086 # file names of ours, without spaces
.venv/bin/python -m pip install $quiet --disable-pip-version-check --no-input $arguments
for file in "$@"; do
    cksum <"$file" >".venv/.installed-$file"
done
