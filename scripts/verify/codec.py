"""Failures, and the two ways bytes are laid out (docs/spec/formats.md 1.1 and 4.2): fixed layouts and protobuf
fields.

Written from docs/spec alone. Every verdict that is not "valid" is a Failure with the part that fails and a stable
reason.
"""


class Failure(Exception):
    """The part of the file that fails (a dotted field name), the reason (formats.md 9.2), and a sentence."""

    def __init__(self, part, reason, message):
        super().__init__(message)
        self.part = part
        self.reason = reason
        self.message = message


class Bad(Exception):
    """A reason without its part; whoever knows the part makes a Failure of it."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason
        self.message = message


class part:
    """with part("header"): every Bad inside becomes a Failure of that part."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if isinstance(value, Bad):
            raise Failure(self.name, value.reason, value.message) from value
        return False


class Reader:
    """Fixed layouts: big-endian integers and byte strings, never past the end."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left():
            raise Bad("MALFORMED", "the bytes are cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def uint(self, size):
        return int.from_bytes(self.take(size), "big")

    def end(self):
        if self.left():
            raise Bad("MALFORMED", "%d bytes too many" % self.left())


def uint(value, size):
    return value.to_bytes(size, "big")


def read_varint(data, at):
    """Value and next position; refused: cut short, more than 64 bits, a form that is not the shortest."""
    value = 0
    for count in range(10):
        if at >= len(data):
            raise Bad("MALFORMED", "cut short inside a varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << (7 * count)
        if byte < 0x80:
            if value >> 64:
                raise Bad("MALFORMED", "a varint of more than 64 bits")
            if byte == 0 and count:
                raise Bad("MALFORMED", "a varint that is not the shortest")
            return value, at
    raise Bad("MALFORMED", "a varint of more than 10 bytes")


def write_varint(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Field:
    """One field of a message that must stand in canonical form (receipts, rows of the state, access entries).

    kind: "uint" (a varint up to limit), "packed" (a list of them in one byte string), "fixed64", "bytes", or "message"
    (sub: the table of its fields).
    """

    def __init__(self, name, kind, limit=None, repeated=False, sub=None):
        self.name = name
        self.kind = kind
        self.limit = limit
        self.repeated = repeated
        self.sub = sub


def absent(field):
    """What a field that is not repeated holds when it is left out."""
    return {"uint": 0, "packed": [], "fixed64": 0, "bytes": b"", "message": None}[field.kind]


def read_packed(data, limit):
    out, at = [], 0
    while at < len(data):
        value, at = read_varint(data, at)
        if value > limit:
            raise Bad("MALFORMED", "a number out of range")
        out.append(value)
    return out


def read_message(table, data):
    """A protobuf message in canonical form: fields ascending, defaults left out, nothing unknown. Absent: 0, b"",
    None, []."""
    out = {}
    for field in table.values():
        out[field.name] = [] if field.repeated else absent(field)
    at, last = 0, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        field = table.get(number)
        if field is None:
            raise Bad("MALFORMED", "a field that the format does not have")
        if number < last or (number == last and not field.repeated):
            raise Bad("MALFORMED", "fields that do not ascend")
        last = number
        if wire != {"uint": 0, "fixed64": 1}.get(field.kind, 2):
            raise Bad("MALFORMED", "a field of another wire type")
        if field.kind == "fixed64":
            if len(data) - at < 8:
                raise Bad("MALFORMED", "cut short")
            value, at = int.from_bytes(data[at:at + 8], "little"), at + 8
            if value == 0:
                raise Bad("MALFORMED", "a default that is not left out")
        elif field.kind == "uint":
            value, at = read_varint(data, at)
            if value > field.limit:
                raise Bad("MALFORMED", "a number out of range")
            if value == 0:
                raise Bad("MALFORMED", "a default that is not left out")
        else:
            size, at = read_varint(data, at)
            if size > len(data) - at:
                raise Bad("MALFORMED", "cut short")
            value = data[at:at + size]
            at += size
            if size == 0 and not field.repeated and field.kind != "message":
                raise Bad("MALFORMED", "a default that is not left out")
            if field.kind == "message":
                value = read_message(field.sub, value)
            elif field.kind == "packed":
                value = read_packed(value, field.limit)
        if field.repeated:
            out[field.name].append(value)
        else:
            out[field.name] = value
    return out


def write_message(table, values):
    """The inverse, used where vectors are made."""
    out = b""
    for number, field in sorted(table.items()):
        value = values[field.name]
        for one in value if field.repeated else [value]:
            if field.kind == "uint":
                if one:
                    out += write_varint(number << 3) + write_varint(one)
                continue
            if field.kind == "fixed64":
                if one:
                    out += write_varint(number << 3 | 1) + one.to_bytes(8, "little")
                continue
            if field.kind == "message":
                if one is None:
                    continue
                body = write_message(field.sub, one)
            else:
                body = b"".join(map(write_varint, one)) if field.kind == "packed" else one
                if not body and not field.repeated:
                    continue
            out += write_varint(number << 3 | 2) + write_varint(len(body)) + body
    return out
