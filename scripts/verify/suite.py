"""The suites of docs/spec/formats.md 2: their hashes, the trees of 3 over them, and their signatures."""

import hashlib
import hmac

import signature
from codec import Bad


def bit(path, index):
    return path[index // 8] >> (7 - index % 8) & 1


class Suite:
    """What genesis chooses. `author_scheme` is the number of the authorization that an author signs (4.3)."""

    def __init__(self, hash_name, scheme, author_scheme):
        self.hash_name = hash_name
        self.scheme = scheme
        self.curve = scheme.curve
        self.author_scheme = author_scheme

    def h(self, data):
        return hashlib.new(self.hash_name, data).digest()

    def hmac(self, key, data):
        return hmac.digest(key, data, self.hash_name)

    def verify(self, key, message, signed):
        return signature.verify(self.scheme, key, message, signed)

    def tagged(self, tag, data):
        """T(tag, x)."""
        tag = tag.encode()
        return self.h(bytes([len(tag)]) + tag + data)

    def leaf(self, data):
        return self.h(b"\0" + data)

    def node(self, left, right):
        return self.h(b"\1" + left + right)

    def tree_root(self, entries):
        """Root of the append-only tree over the entries (RFC 9162 2.1.1)."""
        if not entries:
            return self.h(b"")
        level = [self.leaf(entry) for entry in entries]
        while len(level) > 1:
            # A lone last node goes up as it is: the same tree as splitting at the largest power of two.
            level = [self.node(*level[i:i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        return level[0]

    def path_root(self, data, index, size, siblings):
        """The root an audit path leads to (RFC 9162 2.1.3.2). The size gives the path its shape, and the length must
        fit it."""
        if index >= size:
            raise Bad("BAD_PROOF", "the index is not below the size")
        fn, sn, root = index, size - 1, self.leaf(data)
        for sibling in siblings:
            if sn == 0:
                raise Bad("BAD_PROOF", "the path is too long")
            if fn & 1 or fn == sn:
                root = self.node(sibling, root)
                while not fn & 1 and fn:
                    fn, sn = fn >> 1, sn >> 1
            else:
                root = self.node(root, sibling)
            fn, sn = fn >> 1, sn >> 1
        if sn:
            raise Bad("BAD_PROOF", "the path is too short")
        return root

    def consistent(self, old_size, old_root, new_size, new_root, path):
        """RFC 9162 2.1.4.2, for 0 < old_size < new_size: raises if the path does not lead from the old root to the
        new one."""
        path = list(path)
        if not path:
            raise Bad("BAD_PROOF", "the path is empty")
        if old_size & (old_size - 1) == 0:
            path.insert(0, old_root)
        fn, sn = old_size - 1, new_size - 1
        while fn & 1:
            fn, sn = fn >> 1, sn >> 1
        fr = sr = path[0]
        for sibling in path[1:]:
            if sn == 0:
                raise Bad("BAD_PROOF", "the path is too long")
            if fn & 1 or fn == sn:
                fr, sr = self.node(sibling, fr), self.node(sibling, sr)
                while not fn & 1 and fn:
                    fn, sn = fn >> 1, sn >> 1
            else:
                sr = self.node(sr, sibling)
            fn, sn = fn >> 1, sn >> 1
        if sn or fr != old_root or sr != new_root:
            raise Bad("BAD_PROOF", "the path does not lead from the old root to the new one")

    def state_path(self, kind, key):
        return self.tagged("galen/1 state path", bytes([kind]) + key)

    def state_root(self, path, siblings, terminal):
        """The root that a proof of 3.3 gives for a wanted path: siblings from the root downwards, terminal None or
        (path, value hash)."""
        if terminal is None:
            root = bytes(32)
        else:
            for index in range(len(siblings)):
                if bit(terminal[0], index) != bit(path, index):
                    raise Bad("BAD_PROOF", "the leaf at its end lies elsewhere")
            root = self.h(b"\0" + terminal[0] + terminal[1])
        for index in range(len(siblings) - 1, -1, -1):
            root = self.node(siblings[index], root) if bit(path, index) else self.node(root, siblings[index])
        return root


SUITES = {"p256-sha256": Suite("sha256", signature.Ecdsa, 1), "sm2-sm3": Suite("sm3", signature.Sm2, 3)}
