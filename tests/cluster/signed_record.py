"""What the nodes of a test signed, read from the recorder's files (tests/shim/wire_record.cpp) with nothing but docs/spec.

A member may say one thing for one place of an epoch: a PRE-PREPARE, PREPARE or COMMIT for (view, height), a VIEW-CHANGE for its
target, an EXECUTED for a height. Two different ones are a conflict, however many restarts lie between them.
"""
import pathlib
import struct

RECORD = struct.Struct("=QQI")
VOTES_LANE, BULK_LANE = 1, 2
MESSAGE, FIRST, MORE = 7, 8, 9
PRE_PREPARE, PREPARE, COMMIT, VIEW_CHANGE, EXECUTED, OF_EPOCH = 2, 3, 4, 5, 7, 48
NAMES = {PRE_PREPARE: "PRE-PREPARE", PREPARE: "PREPARE", COMMIT: "COMMIT", VIEW_CHANGE: "VIEW-CHANGE", EXECUTED: "EXECUTED"}
HEADER_BYTES = 286
HEIGHT_AT = 2 + 2 + 32 + 8 + 8


class Statement:
    def __init__(self, kind, sender, place, says, signature, time_us):
        self.kind, self.sender, self.place, self.says = kind, sender, place, says
        self.signature, self.time_us, self.epoch = signature, time_us, 1

    def __str__(self):
        return f"{NAMES[self.kind]} of member {self.sender} for {self.place} in epoch {self.epoch}"


def statement(body, time_us):
    """A consensus message without its leading kind byte of the node, or None when it is not signed for a place. The sender is a place
    in the list of the epoch's members."""
    if body[0] == OF_EPOCH:  # u8 kind ‖ u8 version ‖ u64 epoch ‖ the message, from the second epoch on
        found = statement(body[10:], time_us)
        if found:
            found.epoch = int.from_bytes(body[2:10], "big")
        return found
    kind, version = body[0], body[1]
    if version != 1 or kind not in NAMES:
        return None
    sender = int.from_bytes(body[2:4], "big")
    signature = body[-64:]
    if kind == PRE_PREPARE:
        view = int.from_bytes(body[4:12], "big")
        header = body[12:12 + HEADER_BYTES]
        height = int.from_bytes(header[HEIGHT_AT:HEIGHT_AT + 8], "big")
        return Statement(kind, sender, (view, height), header, signature, time_us)
    if kind in (PREPARE, COMMIT):
        view, height = struct.unpack(">QQ", body[4:20])
        return Statement(kind, sender, (view, height), body[20:52], signature, time_us)
    if kind == VIEW_CHANGE:
        header = body[2:2 + 2 + 8 + 48 + 8]
        return Statement(kind, sender, int.from_bytes(header[2:10], "big"), header, body[68:132], time_us)
    return Statement(kind, sender, int.from_bytes(body[4:12], "big"), body[12:108], signature, time_us)


class Stream:
    """Puts the messages of one connection together again, as docs/spec/wire.md 2 says."""

    def __init__(self):
        self.bytes = bytearray()
        self.parts = {VOTES_LANE: bytearray(), BULK_LANE: bytearray()}
        self.totals = {VOTES_LANE: 0, BULK_LANE: 0}

    def take(self, data):
        self.bytes += data
        while len(self.bytes) >= 8:
            magic, lane, kind, length = struct.unpack(">HBBI", self.bytes[:8])
            if magic != 0x4701:
                raise ValueError("the recorded stream is not one of frames")
            if len(self.bytes) < 8 + length:
                return
            body = bytes(self.bytes[8:8 + length])
            del self.bytes[:8 + length]
            if kind == MESSAGE:
                yield body
            elif kind == FIRST:
                self.totals[lane] = int.from_bytes(body[:4], "big")
                self.parts[lane] = bytearray(body[4:])
            elif kind == MORE:
                self.parts[lane] += body
            if kind in (FIRST, MORE) and len(self.parts[lane]) == self.totals[lane]:
                yield bytes(self.parts[lane])


def read_file(path):
    data, at, streams = pathlib.Path(path).read_bytes(), 0, {}
    while at + RECORD.size <= len(data):
        time_us, connection, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        if length == 0:
            streams[connection] = Stream()
            continue
        for message in streams[connection].take(data[at:at + length]):
            if message[:1] == b"\x01":
                found = statement(message[1:], time_us)
                if found:
                    yield found
        at += length


def read(folder):
    """All statements of all processes, in the order in which they left."""
    found = [s for path in sorted(pathlib.Path(folder).glob("galend-*.wire")) for s in read_file(path)]
    return sorted(found, key=lambda s: s.time_us)


def conflicts(statements):
    said, found = {}, []
    for s in statements:
        if said.setdefault((s.epoch, s.kind, s.sender, s.place), s.says) != s.says:
            found.append(f"two different ones: {s}")
    return found
