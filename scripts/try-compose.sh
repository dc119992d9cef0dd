#!/usr/bin/env bash
# Tries docker-compose.yml on a real Docker engine: builds the images, starts everything under a project name, ports and a token of
# its own, deploys a model, asks it, kills and restarts every part, and removes it all again. Needs: make setup, a Docker engine
# with compose v2 (DOCKER_HOST is honoured), a few minutes. Not part of make test.
# Usage: scripts/try-compose.sh [--keep]      --keep: leave it running at the end, or where it failed
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'try-compose: %s\n' "$*" >&2; exit 1; }

[ -x .venv/bin/python ] || fail "no environment here; run: make setup"
command -v docker >/dev/null || fail "no docker command found; install Docker Engine and its compose plugin"
docker version --format '{{.Server.Version}}' >/dev/null || fail "no Docker engine answers; start it, or point DOCKER_HOST at one"
docker compose version >/dev/null || fail "docker has no compose plugin; install docker-compose-plugin (compose v2)"
exec .venv/bin/python scripts/try_compose.py "$@"
