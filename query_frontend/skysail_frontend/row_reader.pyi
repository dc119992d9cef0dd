"""Written in C, and there once the hot path is compiled."""

def read_row(body: bytes, are_integers: bool, /) -> bytes | None:
    """The packed little-endian row in ``{"input": [numbers]}``; None for anything else, whatever that is."""

def set_powers(table: bytes, /) -> None:
    """Takes what `decimal_powers.table` makes; without it hardly a decimal is read."""
