"""The two elliptic curves of docs/spec/formats.md 2, in plain Python so that many signatures can be checked quickly.

Not constant time: it computes with public data only.
"""


class Curve:
    """y² = x³ - 3x + b modulo p, with a base point of prime order n. Both curves have this shape."""

    def __init__(self, p, n, b, base):
        self.p = p
        self.n = n
        self.b = b
        self.base = base
        self._tables = {}

    def point(self, key):
        """The point of a PublicKey (04 ‖ X ‖ Y), or None if it is none of the curve."""
        if len(key) != 65 or key[0] != 4:
            return None
        x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
        if x >= self.p or y >= self.p or (y * y - x * x * x + 3 * x - self.b) % self.p:
            return None
        return x, y

    # Jacobian coordinates: (X, Y, Z) stands for (X/Z², Y/Z³), Z = 0 for the point at infinity.

    def double(self, point):
        x, y, z = point
        p = self.p
        if not z or not y:
            return 1, 1, 0
        zz = z * z % p
        yy = y * y % p
        m = 3 * (x - zz) * (x + zz) % p
        s = 4 * x * yy % p
        nx = (m * m - 2 * s) % p
        return nx, (m * (s - nx) - 8 * yy * yy) % p, 2 * y * z % p

    def add(self, left, right):
        p = self.p
        if not left[2]:
            return right
        if not right[2]:
            return left
        z1, z2 = left[2] * left[2] % p, right[2] * right[2] % p
        u1, u2 = left[0] * z2 % p, right[0] * z1 % p
        s1, s2 = left[1] * z2 * right[2] % p, right[1] * z1 * left[2] % p
        if u1 == u2:
            return self.double(left) if s1 == s2 else (1, 1, 0)
        h, r = u2 - u1, s2 - s1
        hh = h * h % p
        hhh, v = h * hh % p, u1 * hh % p
        x = (r * r - hhh - 2 * v) % p
        return x, (r * (v - x) - s1 * hhh) % p, h * left[2] * right[2] % p

    def table_of(self, point):
        """0 to 15 times a point, for steps of four bits."""
        out = self._tables.get(point)
        if out is None:
            out = [(1, 1, 0), (point[0], point[1], 1)]
            for _ in range(14):
                out.append(self.add(out[-1], out[1]))
            if len(self._tables) > 1000:
                self._tables.clear()
            self._tables[point] = out
        return out

    def sum_of(self, *products):
        """x and y of the sum of all (scalar, point), or None at infinity. Scalars are below 2^256."""
        tables = [(scalar, self.table_of(point)) for scalar, point in products]
        out = (1, 1, 0)
        for shift in range(252, -4, -4):
            out = self.double(self.double(self.double(self.double(out))))
            for scalar, table in tables:
                out = self.add(out, table[scalar >> shift & 15])
        if not out[2]:
            return None
        inverse = pow(out[2], -1, self.p)
        return out[0] * inverse ** 2 % self.p, out[1] * inverse ** 3 % self.p


P256 = Curve(
    p=0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff,
    n=0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
    b=0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b,
    base=(0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
          0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5))

SM2 = Curve(
    p=0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff,
    n=0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123,
    b=0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93,
    base=(0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7,
          0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0))
