"""The exact bytes of protocol version 1: these never change; a change is a new protocol version."""

import pytest

from skysail_container.wire import (
    ArrayRow,
    Arrays,
    Bytes,
    Cancel,
    ClientMessage,
    ContainerMessage,
    Dense,
    Drain,
    Drained,
    FrameDecoder,
    Health,
    HealthReply,
    Hello,
    Json,
    Predict,
    ProtocolError,
    Ragged,
    Refused,
    Result,
    Statistics,
    StatisticsRequest,
    Strings,
    Welcome,
    decode_from_client,
    decode_from_container,
    encode,
)

_TWO_DOUBLES = bytes.fromhex("000000000000f03f 0000000000000040")

FROM_CLIENT: list[tuple[ClientMessage, str]] = [
    (Hello(1, "frontend-1"), "0000000e 93 01 01 aa66726f6e74656e642d31"),
    (
        Predict(7, 18_000, Dense("<f8", (1, 2), _TWO_DOUBLES)),
        "00000021 94 02 07 cd4650 94 00 a33c6638 92 01 02 c410 000000000000f03f0000000000000040",
    ),
    (
        Predict(8, 0, Ragged("|u1", (2, 0, 1), b"\x01\x02\x03")),
        "00000013 94 02 08 00 94 01 a37c7531 93 02 00 01 c403 010203",
    ),
    (
        Predict(9, 1, Arrays((ArrayRow("|i1", (1, 1), b"\xff"), ArrayRow("<i2", (), b"\x01\x00")))),
        "0000001c 94 02 09 01 92 02 92 93 a37c6931 92 01 01 c401 ff 93 a33c6932 90 c402 0100",
    ),
    (Predict(10, 1, Strings(("", "é"))), "0000000b 94 02 0a 01 92 03 92 a0 a2c3a9"),
    (Predict(11, 1, Bytes((b"", b"\x00\xff"))), "0000000d 94 02 0b 01 92 04 92 c400 c402 00ff"),
    (Predict(12, 1, Json((b'{"a":1}',))), "00000010 94 02 0c 01 92 05 91 c407 7b2261223a317d"),
    (Cancel(7), "00000003 92 04 07"),
    (Health(1_000), "00000005 92 05 cd03e8"),
    (Drain(), "00000002 91 06"),
    (StatisticsRequest(), "00000002 91 07"),
    (ProtocolError("malformed", "type: 42"), "00000015 93 09 a96d616c666f726d6564 a8747970653a203432"),
]

FROM_CONTAINER: list[tuple[ContainerMessage, str]] = [
    (
        Welcome(1, "cancer", "3", "doubles", 67_108_864),
        "00000019 96 01 01 a663616e636572 a133 a7646f75626c6573 ce04000000",
    ),
    (
        Result(7, 120, 900, Dense("<f8", (2,), _TWO_DOUBLES), None),
        "00000022 96 03 07 78 cd0384 94 00 a33c6638 91 02 c410 000000000000f03f0000000000000040 c0",
    ),
    (
        Result(7, 120, 900, Strings(("yes", "")), {1: "ValueError: odd"}),
        "00000021 96 03 07 78 cd0384 92 03 92 a3796573 a0 81 01 af56616c75654572726f723a206f6464",
    ),
    (HealthReply(1_000, "ok"), "00000008 93 05 cd03e8 a26f6b"),
    (Drained(), "00000002 91 06"),
    (
        Statistics({"batches": 2, "uptime_s": 0.5}),
        "0000001e 92 07 82 a76261746368657302 a8757074696d655f73 cb3fe0000000000000",
    ),
    (Refused(9, "expired", "late"), "00000010 94 08 09 a765787069726564 a46c617465"),
]


def _body(frame: bytes) -> bytes:
    (body,) = FrameDecoder().feed(frame)
    return body


@pytest.mark.parametrize(("message", "frame_hex"), FROM_CLIENT)
def test_a_client_message_has_exactly_these_bytes(message: ClientMessage, frame_hex: str) -> None:
    frame = bytes.fromhex(frame_hex)
    assert encode(message).hex(" ") == frame.hex(" ")
    assert decode_from_client(_body(frame)) == message


@pytest.mark.parametrize(("message", "frame_hex"), FROM_CONTAINER)
def test_a_container_message_has_exactly_these_bytes(message: ContainerMessage, frame_hex: str) -> None:
    frame = bytes.fromhex(frame_hex)
    assert encode(message).hex(" ") == frame.hex(" ")
    assert decode_from_container(_body(frame)) == message
