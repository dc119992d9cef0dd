"""A place in a statement: which tokens come next, and which are behind."""

from collections.abc import Iterable

from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.tokens import Token

__all__ = ["Cursor"]


class Cursor:
    """Invariant: `_tokens[_position]` is the next token; the last one is `end`, and stays."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = list(tokens)
        self._position = 0

    def peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self._position += 1
        return token

    def take(self, *words: str) -> bool:
        """Whether these words come next; they are then behind us."""
        if all(self.peek(ahead).word == word for ahead, word in enumerate(words)):
            self._position += len(words)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise UnsupportedSqlError(f"{word} is expected instead of {self.peek().text!r}")

    def identifier(self) -> str:
        token = self.next()
        if token.kind not in ("word", "quoted"):
            raise UnsupportedSqlError(f"a name is expected instead of {token.text!r}")
        return token.text
