"""`python -m benchmarks.peers.setup [NAME ...]`: makes the peers' environments; what is ready stays as it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from time import monotonic

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.environment import PeerEnvironment, PeerEnvironmentError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all that were asked for are ready; one that fails does not keep the others from being made."""
    names = [peer.name for peer in PEERS if peer.has_environment]
    parser = argparse.ArgumentParser(description="Make the environments of the servers Skysail is compared with.")
    parser.add_argument("names", nargs="*", choices=[*names, []], metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--again", action="store_true", help="make them anew even if they are ready")
    options = parser.parse_args(arguments)
    wanted = options.names or names
    ready = [_make(name, options.again, f"[{done}/{len(wanted)}]") for done, name in enumerate(wanted, start=1)]
    return 0 if all(ready) else 1


def _make(name: str, again: bool, progress: str) -> bool:
    environment = PeerEnvironment(name)
    if environment.is_ready() and not again:
        print(f"{progress} {name}: ready")
        return True
    print(f"{progress} {name}: installing ...", flush=True)
    started_at = monotonic()
    try:
        environment.make()
    except PeerEnvironmentError as error:
        print(f"{progress} {name}: not made: {error}", file=sys.stderr, flush=True)
        return False
    size_mb, took_s = environment.size_bytes() / 1e6, monotonic() - started_at
    print(f"{progress} {name}: ready ({took_s:.0f} s, {size_mb:,.0f} MB)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
