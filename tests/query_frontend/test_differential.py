"""The lane held to the plain ASGI route: the same bytes in, the same status, headers, body and fate of the connection.

Two frontends serve one registry, with the lane and without. Generated requests go to both on raw sockets; what differs
by nature is levelled out: the date, the query ids, and the numbers on the metrics page.
"""

import base64
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from harness.frontend_process import FrontendProcess
from harness.frontend_rig import EXAMPLES, SCHEMAS, FrontendRig
from harness.raw_http import ConnectionEndedError, RawClient, Response

pytestmark = pytest.mark.xdist_group("frontends")  # one worker starts the frontends that these modules share

N_SEEDS, N_PER_SEED = 12, 500
"""Six thousand requests, the same in every run."""

TYPES = [input_type.value for input_type in EXAMPLES]
MAX_BODY_BYTES = 20_000
FLAGS = (
    f"--max-body-bytes={MAX_BODY_BYTES}",
    "--max-header-bytes=4000",
    "--max-request-rows=50",
    "--receive-timeout-s=2",
)
PORT_IN_TEXT = re.compile(rb"127\.0\.0\.1:\d+")
QUERY_ID = re.compile(rb'"query_id":\d+')


@dataclass
class Case:
    """One request: its bytes and where they are cut into pieces.

    `is_last`: what follows its first response belongs to it as well, for its body has no length and is taken for
    another request. `is_faulty`: a fault in the framing, which may be seen before or after a 100 (Continue).
    """

    request: bytes
    cuts: list[int] = field(default_factory=list)
    is_head: bool = False
    is_last: bool = False
    is_faulty: bool = False

    def pieces(self) -> Iterator[bytes]:
        ends = [*sorted(set(self.cuts)), len(self.request)]
        for start, end in zip([0, *ends], ends, strict=False):
            if start < end:
                yield self.request[start:end]


class Generator:
    """Requests by a seed: most are good or nearly so, for those go deepest."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pick = self.random.choice
        self.last_type = TYPES[0]
        self.is_faulty = False

    def case(self) -> Case:
        method, target, version = self.method(), self.target(), self.version()
        body = self.body() if method != b"GET" or self.random.random() < 0.1 else b""
        headers = self.headers()
        framed, body = self.framed(body)
        headers += framed
        if self.random.random() < 0.3:
            self.random.shuffle(headers)
        lines = [b"%b: %b" % header for header in headers]
        head = b"\r\n".join([b" ".join([method, target, version]).rstrip(), *lines]) + b"\r\n\r\n"
        is_faulty = self.is_faulty or len(body) > MAX_BODY_BYTES
        # A route that answers without the body might answer before the fault is there.
        n_cuts = 0 if is_faulty else self.pick([0, 0, 0, 1, 3])
        cuts = [self.random.randrange(len(head + body)) for _ in range(n_cuts)]
        return Case(head + body, cuts, method == b"HEAD", bool(body and not framed), is_faulty)

    def method(self) -> bytes:
        odd = [b"GET", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"PURGE", b"post", b"BREW", b""]
        return self.pick(odd) if self.random.random() < 0.07 else b"POST"

    def version(self) -> bytes:
        odd = [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"", b"HTTP/1.1 "]
        return self.pick(odd) if self.random.random() < 0.05 else b"HTTP/1.1"

    def app(self) -> str:
        if self.random.random() < 0.15:
            self.last_type = self.pick(list(SCHEMAS))
            return self.last_type
        self.last_type = self.pick(TYPES)
        odd = ["unlinked", "lonely", "versionless", "nobody", "Doubles", "a" * 64, "docs", "d%6Fubles", "dou bles",
               "%F0%9F%98%80", "%ff", "doubles%2Fx", "..", "-doubles", "doubles\r", "caf\u00e9", "x:y"]  # fmt: skip
        return self.pick(odd) if self.random.random() < 0.12 else self.last_type

    def target(self) -> bytes:
        path = f"/{self.app()}/predict"
        if self.random.random() < 0.15:
            path = self.pick(
                [path + "/", path + "//", path + "?a=b", path + "/?", path + "#x", f"http://host{path}", "/" + path,
                 f"http://host:99999{path}", "http://host", "*", path.upper(), path + "/more", path[1:], path + "%20",
                 path.replace("predict", "p%72edict"), path.replace("predict", "update"), "/", "/healthz", "/readyz",
                 "/healthz/", "/openapi.json", "/docs", f"https://[::1]{path}", "//host" + path, path + ";x"]
            )  # fmt: skip
        return path.encode("latin-1")

    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(self.pick([b"Host", b"host", b"HOST"]), self.pick([b"skysail", b"skysail", b"127.0.0.1:1337"]))]
        odd = [
            (b"Content-Type", b"application/json"), (b"CONTENT-TYPE", b"text/plain"), (b"Accept", b"*/*"),
            (b"Connection", b"close"), (b"Connection", b"keep-alive"), (b"connection", b"Close, x"),
            (b"Expect", b"100-continue"), (b"expect", b"100-Continue"), (b"Expect", b"200-ok"),
            (b"Content-Encoding", b"gzip"), (b"X-Empty", b""), (b"X-Latin", b"caf\xe9"), (b"X-Tab", b"a\tb"),
            (b"X-Long", b"x" * 2000), (b"X-Longer", b"x" * 4000), (b"X-Nul", b"a\x00b"), (b"Host", b"[::1"),
            (b"Connection", b"Upgrade, HTTP2-Settings"), (b"Cookie", b"a=b; c=d"), (b"Bad Name", b"x"),
            (b"Range", b"bytes=0-3"), (b"If-None-Match", b"*"), (b"Trailer", b"Expires"),
            (b"Cache-Control", b"no-cache"), (b"cache-control", b"max-age=0, No-Store"), (b"Cache-Control", b"private"),
            (b"CACHE-CONTROL", b"\xff,=,;"), (b"X-Skysail-Timeout-Ms", b"60000"),
        ]  # fmt: skip
        if self.random.random() < 0.1:
            odd += [(b"X-Skysail-Timeout-Ms", value) for value in ODD_TIMEOUTS]
        while self.random.random() < 0.3:
            headers.append(self.pick(odd))
            if headers[-1][1].startswith(b"Upgrade"):
                headers.append((b"Upgrade", self.pick([b"h2c", b"websocket", b"TLS/1.0"])))
        return headers

    def framed(self, body: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """The headers that say how long the body is, and the body as it is sent."""
        dice = self.random.random()
        self.is_faulty = dice >= 0.93
        if dice < 0.8:
            return [(self.pick([b"Content-Length", b"content-length"]), b"%d" % len(body))], body
        if dice < 0.93:
            return [(b"Transfer-Encoding", self.pick([b"chunked", b"Chunked", b"gzip, chunked"]))], self.chunks(body)
        if dice < 0.95:
            return [(b"Transfer-Encoding", b"chunked")], self.spoilt(self.chunks(body))
        length = b"%d" % len(body)
        odd = [
            [(b"Content-Length", length), (b"Content-Length", length)],
            [(b"Content-Length", length), (b"Transfer-Encoding", b"chunked")],
            [(b"Content-Length", b"0" + length)],
            [(b"Content-Length", b"-1")],
            [(b"Content-Length", b"1e3")],
            [(b"Content-Length", b" " + length + b" ")],
            [(b"Content-Length", b"20001")],
            [(b"Transfer-Encoding", b"identity")],
            [],
        ]
        return self.pick(odd), body

    def chunks(self, body: bytes) -> bytes:
        parts = []
        while body:
            n = self.random.randint(1, len(body))
            extension = self.pick([b"", b"", b";a", b";a=b"])
            parts.append(self.pick([b"%x", b"%X", b"0%x"]) % n + extension + b"\r\n" + body[:n] + b"\r\n")
            body = body[n:]
        return (
            b"".join(parts)
            + b"0\r\n"
            + self.pick([b"", b"", b"Expires: never\r\n", b"X-Skysail-Timeout-Ms: 0\r\n"])
            + b"\r\n"
        )

    def spoilt(self, data: bytes) -> bytes:
        """The data with one byte changed, for one that no number is made of, so that it does not wait for more."""
        at = self.random.randrange(len(data))
        return data[:at] + b"!" + data[at + 1 :]

    def body(self) -> bytes:
        dice = self.random.random()
        if dice < 0.6:
            return self.text(self.good_request()).encode("utf-8", "surrogatepass")
        if dice < 0.8:
            return self.text(self.odd_request()).encode("utf-8", "surrogatepass")
        if dice < 0.9:
            text = self.text(self.good_request()).encode("utf-8", "surrogatepass")
            at = self.random.randrange(len(text))
            return self.pick([text[:at], text[:at] + b"\xff" + text[at:], text + b"x", text[:at] + text[at + 1 :]])
        return self.pick(ODD_BODIES)

    def good_request(self) -> dict[str, object]:
        request: dict[str, object] = {}
        if self.random.random() < 0.7:
            request["input"] = self.example()
        else:
            request["input_batch"] = [self.example() for _ in range(self.pick([0, 1, 2, 3, 20]))]
        if self.random.random() < 0.15:
            request["version"] = self.pick(["1", "1", "2", "3", "99", "", None])
        if self.random.random() < 0.1:
            request["timeout_ms"] = self.pick([60_000, 59_999.5, 10**6, None])
        if self.random.random() < 0.1:
            request["cache"] = self.pick([True, False, None])
        if self.random.random() < 0.1:
            request[self.pick(["uid", "extra", "Input", "inputs"])] = self.pick([1, {"a": [1]}, None])
        return request

    def odd_request(self) -> object:
        odd_values: list[object] = [
            None, True, 1, 1.5, "text", [], {}, [[]], [None], [True], ["1"], [[1, 2]], [1, None], [1, "a"], "AA=",
            10**30, [10**30], [2**63], [2**63 - 1], [-(2**63)], [1e308], [3.5e38], [0.1], [-0.0], [1.0], [5e-324],
            "\ud800", "\u0000", "\U0001f600", {"a": {"a": 1}}, {"data": "AA==", "dtype": "|u1", "shape": [1]},
            {"data": "AA==", "dtype": "<f8", "shape": [1]}, {"data": 1, "dtype": "|u1", "shape": []}, [[1], [1, 2]],
            {"data": "", "dtype": "O", "shape": [0]}, [[1.5, 2], [3, 4]], [[[[1]]]], [[1], ["a"]], "x" * 6000,
        ]  # fmt: skip
        request: dict[str, object] = {}
        for key in ("input", "input_batch", "version", "extra"):
            if self.random.random() < 0.5:
                value = self.pick(odd_values)
                request[key] = [value, self.example()] if key == "input_batch" and self.pick([0, 1, 1]) else value
        for key, odd in (("timeout_ms", ODD_OPTIONS), ("cache", ODD_OPTIONS)):
            if self.random.random() < 0.1:
                request[key] = self.pick(odd)
        if self.random.random() < 0.05:
            return self.pick(odd_values)
        if self.random.random() < 0.05:
            request["input_batch"] = [self.example()] * self.pick([50, 51])
        return request

    def example(self) -> object:
        """An example of the type of the application in the target, mostly."""
        kind = self.last_type if self.random.random() < 0.95 else self.pick(TYPES)
        n = self.pick([1, 2, 3, 10])
        match kind:
            case "integers":
                return [self.random.randint(-(10**6), 10**6) for _ in range(n)]
            case "floats" | "doubles":
                return [self.pick([self.random.randint(0, 99), self.random.uniform(-1e3, 1e3)]) for _ in range(n)]
            case "strings":
                return self.pick(["text", "", "caf\u00e9 \U0001f600", '{"a":1}', "[1,2", "1", "null", "NaN", "\u2028"])
            case "bytes":
                return base64.b64encode(self.random.randbytes(n)).decode()
            case "json":
                return self.pick([{"a": 1, "b": "x"}, [1, {"c": None}], "x", 1.5, None, True, {}, [], {"": {"": ""}}])
            case "checked-doubles":
                return [self.random.uniform(-1e3, 1e3) for _ in range(self.pick([3, 3, 3, 2, 1, 200]))]
            case "checked-json":
                return self.checked_object()
            case _:
                shape = self.pick([(2,), (2, 3), (1, 1, 2)])
                return nested(shape, lambda: self.pick([1, 2, 0.5]))

    def checked_object(self) -> object:
        """A row of one of the schemas of `checked-json`, or with one fault."""
        row: dict[str, object] = {"a": self.random.randint(-(10**6), 10**20)}
        if self.random.random() < 0.5:
            row["b"] = self.pick([[], ["x"], ["\u00e9", ""], None])
        if self.random.random() < 0.2:
            row = {"a": [[1, 2.5], [3, 4]], "c d": self.pick([{}, [1, {"e": None}], None])}
        if self.random.random() < 0.3:
            odd: list[object] = [None, "1", 1.0, True, [[1, 2], [3]], ["x", 1], {}, "\ud800"]
            row[self.pick(["a", "a", "b", "c", "\u00e9\u0000", "A", ""])] = self.pick(odd)
        if self.random.random() < 0.1:
            row.pop("a")
        return row

    def text(self, request: object) -> str:
        """The request as JSON in one of its many spellings."""
        style = self.random.random()
        text = json.dumps(request, ensure_ascii=style < 0.7, separators=(",", ":") if style < 0.5 else None)
        if self.random.random() < 0.1:
            text = self.pick(["\n", "  ", "\ufeff"]) + text + self.pick([" ", "\r\n", "\x00"])
        if self.random.random() < 0.05 and text.startswith("{") and len(text) > 2:
            text = '{"input":' + self.pick(["1", "null", "[1]", '"AA=="']) + "," + text[1:]  # the key is there twice
        if self.random.random() < 0.03 and text.startswith("{") and len(text) > 2:
            text = self.pick(['{"timeout_ms":60000,', '{"cache":true,']) * self.pick([1, 2]) + text[1:]
        return text


def nested(shape: tuple[int, ...], leaf: Callable[[], float]) -> object:
    return [nested(shape[1:], leaf) for _ in range(shape[0])] if shape else leaf()


# None so short that it is a matter of luck whether it is kept.
ODD_TIMEOUTS = [
    b"0", b"-1", b"", b"NaN", b"1e3", b"ten", b"9" * 30, b"3600001", b"60000, 60000", b"\xb2",
]  # fmt: skip
ODD_OPTIONS: list[object] = [
    0, -1, -0.0, 1e308, 10**400, float("nan"), float("inf"), "60000", "false", True, False, [], {}, [1],
    None, 3_600_000, 3_600_001,
]  # fmt: skip
ODD_BODIES = [
    b"", b" ", b"{", b"}", b"[]", b"null", b"1", b'"x"', b"NaN", b"{}", b'{"input":}', b'{"input":NaN}',
    b"\xef\xbb\xbf{}", b'{"input":[NaN]}', b'{"input":[Infinity]}', b'{"input":[-Infinity]}', b'{"input":[1e999]}',
    b'{"input":[01]}',
    b'{"input":[1,]}', b'{"input":[+1]}', b'{"input":[.5]}', b'{"input":[1.]}', b"{'input':[1]}", b'{"input":[1]}}',
    b'{"input":[1]} {"input":[2]}', b'{"input":"\\ud800"}', b'{"input":"\\udc00\\ud800"}', b'{"input":"\xed\xa0\x80"}',
    b'{"input":"\xc0\x80"}', b'{"input":"\\u12"}', b'{"input":"\t"}', b'{"\\u0069nput":[1]}',
    b'{"input":[1],"input":[2]}',
    b'{"input":' + b"[" * 5000 + b"1" + b"]" * 5000 + b"}", b'{"input":' + b"[" * 5000, b'{"x":' * 3000 + b"1",
    b'{"extra":' + b"[" * 3000 + b"]" * 3000 + b',"input":[1]}', b'{"input":' + b"[" * 70 + b"1" + b"]" * 70 + b"}",
    b'{"input":' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}", b'{"input":[' + b"9" * 400 + b"]}", b"\x00" * 20,
    b'{"input":[' + b"0." + b"1" * 400 + b"]}", b'{"version":1,"input":[1]}', b'{"version":"\\ud800","input":[1]}',
    b'{"input":null}', b'{"input_batch":null}', b'{"input_batch":{}}', b'{"input_batch":[[1],[]]}', b"x" * 19_000,
    b'{"input_batch":[[1],"a",{}]}', b'{"input":null,"input_batch":[[1]]}', b'{"input":[1],"input_batch":"x"}',
    b'{"input":[1],"timeout_ms":60000,"timeout_ms":60000}', b'{"cache":true,"input":[1],"cache":null}',
    b'{"timeout_ms":1e999,"input":[1]}', b'{"input":[1],"input_batch":"x","timeout_ms":"y"}',
    b'{"input":[1],"c\\u0061che":false,"cache":true}',
    b"x" * 20_001, b"\xff\xfe{\x00}\x00", b"<xml/>", b"input=1", b'{"input":[1e-999]}', b'{"input":[-0]}',
]  # fmt: skip


class Side:
    """One of the two frontends and the connection to it that is open now."""

    def __init__(self, frontend: FrontendProcess) -> None:
        self._frontend = frontend
        self.client = RawClient(frontend.port)

    def close(self) -> None:
        self.client.socket.close()

    def outcome(self, case: Case) -> list[object]:
        """Everything that comes back for a request, levelled, and what becomes of the connection."""
        came: list[object] = []
        try:
            response = self.client.any_response(is_head=case.is_head)
            while response.status < 200:
                came += [] if case.is_faulty else [response.status]
                response = self.client.any_response(is_head=case.is_head)
        except ConnectionEndedError as ended:
            came += [ended.args, "ended"]
        else:
            came.append(levelled(response))
            if case.is_last or response.header("connection") == "close":
                came.append(levelled_text(self.client.until_end()))
        if came[-1] == "ended" or isinstance(came[-1], bytes):
            self.close()
            self.client = RawClient(self._frontend.port)
        return came

    def send(self, case: Case) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused half-way; what it said is read next
            self.client.send(*case.pieces())


def levelled(response: Response) -> Response:
    """The response without what two frontends cannot have in common. Its length is checked before it is lost."""
    body = QUERY_ID.sub(b'"query_id":0', PORT_IN_TEXT.sub(b"127.0.0.1:0", response.body))
    headers = [(name, levelled_value(name, value)) for name, value in response.headers]
    return Response(response.status, tuple(headers), body)


def levelled_text(text: bytes) -> bytes:
    return re.sub(rb"date: [^\r]+", b"date: ", text)


def levelled_value(name: bytes, value: bytes) -> bytes:
    if name in (b"date", b"content-length"):
        return b""
    if name == b"allow":  # Starlette keeps methods in a set
        return b", ".join(sorted(value.split(b", ")))
    return PORT_IN_TEXT.sub(b"127.0.0.1:0", value)


@contextmanager
def both_sides(rig: FrontendRig) -> Iterator[tuple[Side, Side]]:
    sides = tuple(Side(rig.serving(lane, *FLAGS, models=TYPES)) for lane in ("--lane=on", "--lane=off"))
    try:
        yield sides[0], sides[1]
    finally:
        for side in sides:
            side.close()


@pytest.mark.parametrize("seed", range(N_SEEDS))
def test_the_lane_answers_as_the_plain_route_does(rig: FrontendRig, seed: int) -> None:
    generator = Generator(seed)
    case = generator.case()
    statuses: dict[int, int] = {}
    with both_sides(rig) as (lane, plain):
        for n in range(N_PER_SEED):
            if generator.random.random() < 0.8:  # else the same again: the lane remembers heads
                case = generator.case()
            lane.send(case)
            plain.send(case)
            with_lane, without = lane.outcome(case), plain.outcome(case)
            assert with_lane == without, f"request {n} of seed {seed}: {list(case.pieces())}"
            for one in with_lane:
                if isinstance(one, Response):
                    statuses[one.status] = statuses.get(one.status, 0) + 1
    assert statuses[200] > N_PER_SEED / 4  # most go all the way
    assert {200, 400, 404} <= statuses.keys()
