"""docs/rpc.md keeps its word: every example is what it says it is."""

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest

from skysail_container.wire import (
    FrameDecoder,
    MalformedFrameError,
    MessageType,
    RowKind,
    decode_from_client,
    decode_from_container,
    encode,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "rpc.md"


class Example(NamedTuple):
    """A fenced block: who sends it, what the document says it is, and its bytes."""

    sender: str
    says: str
    body: bytes

    @property
    def value(self) -> Any:
        """The value in the document's notation: JSON with nil, h'..' for bytes and integer keys."""
        python = re.sub(r"h'([0-9a-f]*)'", lambda match: repr(bytes.fromhex(match[1])), self.says)
        return ast.literal_eval(python.replace("nil", "None"))


def examples() -> list[Example]:
    return [parsed(block) for block in re.findall(r"```hex\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)]


def parsed(block: str) -> Example:
    title, *lines = block.splitlines()
    sender, _, says = title.removeprefix("; ").partition(": ")
    frame = bytes.fromhex(" ".join(line.partition(";")[0] for line in lines))
    decoder = FrameDecoder()
    (body,) = decoder.feed(frame)
    assert not decoder.n_buffered_bytes, title
    return Example(sender, says, body)


VALID = [example for example in examples() if not example.sender.endswith("malformed")]
MALFORMED = [example for example in examples() if example.sender.endswith("malformed")]


@pytest.mark.parametrize("example", VALID, ids=lambda example: example.says[:40])
def test_an_example_is_the_value_beside_it(example: Example) -> None:
    assert msgpack.unpackb(example.body, strict_map_key=False) == example.value


@pytest.mark.parametrize("example", VALID, ids=lambda example: example.says[:40])
def test_an_example_is_a_message_and_is_sent_with_the_same_bytes(example: Example) -> None:
    decode = {"client": decode_from_client, "container": decode_from_container}[example.sender]
    assert encode(decode(example.body))[4:] == example.body


@pytest.mark.parametrize("example", MALFORMED, ids=lambda example: example.says[:40])
def test_a_malformed_example_is_refused_with_the_text_beside_it(example: Example) -> None:
    with pytest.raises(MalformedFrameError) as caught:
        decode_from_client(example.body)
    assert str(caught.value) == example.says


def test_every_message_in_every_direction_and_every_kind_of_rows_has_an_example() -> None:
    shown = {(example.sender, example.value[0]) for example in VALID}
    both_ways = {MessageType.HELLO, MessageType.HEALTH, MessageType.DRAIN, MessageType.STATISTICS, MessageType.ERROR}
    from_client = both_ways | {MessageType.PREDICT, MessageType.CANCEL}
    from_container = both_ways | {MessageType.RESULT, MessageType.REFUSED}
    assert shown == {("client", one) for one in from_client} | {("container", one) for one in from_container}
    kinds = {example.value[3][0] for example in VALID if example.value[0] == MessageType.PREDICT}
    assert kinds == set(RowKind)
