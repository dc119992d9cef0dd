#!/usr/bin/env bash
# Adds the model frameworks that the tests serve to the environment of scripts/setup.sh. PyTorch has a target of its own.
# Usage: scripts/setup-frameworks.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

needed_mib=4000; [ -f "$venv/.frameworks" ] && needed_mib=500 # an environment that is there only changes a little
free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
[ "$free_mib" -ge "$needed_mib" ] || fail "the disk has ${free_mib} MiB left and the frameworks need ${needed_mib}; free some space, then run make again"

printf 'setup: TensorFlow, ONNX Runtime, XGBoost, LightGBM for the tests (a minute or two the first time, 2 GB)\n'
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --progress-bar=off -c constraints.txt \
  -e containers'[sklearn,skops,python,fast,dataframe,onnx,xgboost,lightgbm,tensorflow,mlflow,accelerate,metrics]' \
  || fail "pip could not install the frameworks; its own message is above (a full disk, or no network)"
touch "$venv/.frameworks"
