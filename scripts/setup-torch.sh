#!/usr/bin/env bash
# Makes an environment of its own for the tests with PyTorch, which is too big for everybody's.
# Usage: scripts/setup-torch.sh VENV [PYTHON]
# TORCH_INDEX_URL: an index of builds for CPUs, a tenth of the size of the usual ones; PyTorch's installation page names its own.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
python=${2:-.venv/bin/python}
torch=2.14.1
index=${TORCH_INDEX_URL:-}

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
need_mib() {
  local free_mib
  free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
  [ "$free_mib" -ge "$1" ] || fail "the disk has ${free_mib} MiB left and PyTorch needs $1; free some space, then run make again"
}
pip() { "$venv/bin/python" -m pip "$@" --disable-pip-version-check --quiet --progress-bar=off; }

printf 'setup 1/3: virtualenv in %s\n' "$venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || fail "the virtualenv could not be made; Python's own message is above"

printf 'setup 2/3: PyTorch %s\n' "$torch"
if ! "$venv/bin/python" -c "import sys, torch; sys.exit(torch.__version__.partition('+')[0] != '$torch')" 2>/dev/null; then
  need_mib 2000
  if [ -z "$index" ] || ! pip install --retries 0 --timeout 20 --index-url "$index" "torch==$torch+cpu"; then
    printf 'setup: taking the build of the usual index (on Linux with CUDA: 3 GB to download, 7 GB on disk); TORCH_INDEX_URL may name one of CPU builds\n'
    need_mib 12000
    pip install "torch==$torch" || fail "pip could not install PyTorch; its own message is above"
  fi
fi

printf 'setup 3/3: Skysail and the test tools\n'
# setuptools stays as PyTorch wants it; everything else is what all tests run with.
grep -v '^setuptools==' constraints.txt > "$venv/constraints.txt"
pip install -c "$venv/constraints.txt" -e containers'[fast,python,sklearn,pytorch]' -e management'[server]' -e query_frontend -e admin'[local]' \
  pytest pytest-asyncio pytest-timeout pytest-xdist psutil \
  || fail "pip could not install the test tools; its own message is above"
touch "$venv/.ready"
