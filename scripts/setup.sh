#!/usr/bin/env bash
# Makes the environment: a virtualenv with the four distributions, editable, at the versions of constraints.txt.
# Usage: scripts/setup.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

usable() { "$1" -c 'import sys, ssl; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=
for candidate in "${PYTHON:-}" python3.11 /usr/bin/python3.11 python3 python3.12 python3.13; do
  if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && usable "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || fail "no Python 3.11 or newer with TLS support found; install it: apt-get install python3 (or set PYTHON=/path/to/python)"
command -v cc >/dev/null || fail "no C compiler found; install one: apt-get install build-essential"

needed_mib=1500; [ -f "$venv/.ready" ] && needed_mib=200 # an environment that is there only changes a little
free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
[ "$free_mib" -ge "$needed_mib" ] || fail "the disk has ${free_mib} MiB left and the environment needs ${needed_mib}; free some space, then run make again"

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  [ "$(id -u)" = 0 ] || fail "this Python has no venv module; install it: sudo apt-get install python3-venv"
  printf 'setup: installing python3-venv\n'
  apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null || fail "apt-get could not install python3-venv; install it by hand"
fi

# What pip is doing, on one line that changes in a terminal; nothing elsewhere. Its errors go to stderr as they are.
show_progress() {
  local line
  while IFS= read -r line; do
    case $line in
      *Collecting*|*Downloading*|*Building*|*Installing*|*Preparing*) [ -t 1 ] && printf '\r\033[K  %.76s' "${line#"${line%%[![:space:]]*}"}" ;;
    esac
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

printf 'setup 1/4: virtualenv in %s\n' "$venv"
[ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null || "$python" -m venv --clear "$venv" \
  || fail "the virtualenv could not be made; Python's own message is above"
printf 'setup 2/4: dependencies (a minute or two the first time)\n'
# All four distributions in one call: their names resolve to these folders, never to an index.
"$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar=off -c constraints.txt \
  -e containers'[sklearn,skops,python,fast,compile,accelerate,metrics]' -e management'[server]' -e query_frontend'[compile]' -e admin'[local]' -r requirements-dev.txt \
  | show_progress \
  || fail "pip could not install the dependencies; its own message is above (a full disk, no network, or a missing compiler)"
printf 'setup 3/4: checking\n'
"$venv/bin/python" -c 'import skysail_container, skysail_management, skysail_frontend, skysail_admin'
printf 'setup 4/4: the hot paths in C\n'
has_headers() { "$venv/bin/python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; }
if ! has_headers && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  printf 'setup: installing python3-dev\n'
  apt-get update -qq && apt-get install -y -qq python3-dev >/dev/null || printf 'setup: apt-get could not install python3-dev\n' >&2
fi
for package in skysail_container skysail_frontend; do
  "$venv/bin/python" -m "$package.compiling" \
    || printf 'setup: going on without; predictions are then slower by up to a third\n' >&2
done
touch "$venv/.ready"
printf 'setup: done. Next: make demo\n'
