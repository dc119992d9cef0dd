"""Inputs that ended a container twice: refused for a minute, so that one bad row does not empty the house.

Pure, clock-injected.
"""

from collections import OrderedDict
from typing import Any

__all__ = ["REFUSED_S", "PoisonList"]

REFUSED_S = 60.0
MAX_FINGERPRINTS = 4096


class PoisonList:
    """Fingerprints of payloads with the time until which they are refused; the oldest make room for new ones.

    A fingerprint is the payload's hash: two inputs that share one are both refused, which is rare and ends by itself.
    """

    def __init__(self) -> None:
        self._until_s: OrderedDict[int, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until_s)

    def add(self, payload: Any, now_s: float) -> None:
        """Refuses `payload` for REFUSED_S."""
        self._until_s[hash(payload)] = now_s + REFUSED_S
        if len(self._until_s) > MAX_FINGERPRINTS:
            self._until_s.popitem(last=False)

    def is_refused(self, payload: Any, now_s: float) -> bool:
        """Whether `payload` is refused now. Costs next to nothing while the list is empty, as nearly always."""
        if not self._until_s:
            return False
        while self._until_s:
            fingerprint, until_s = next(iter(self._until_s.items()))
            if until_s > now_s:
                break
            del self._until_s[fingerprint]
        return hash(payload) in self._until_s
