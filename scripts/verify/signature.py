"""Signatures of both suites (docs/spec/formats.md 6.1, 6.5): ECDSA over P-256 with low s, and SM2.

Never used to sign for anybody: it verifies public data. `openssl_agrees` asks the openssl program the same question,
after the conversion of 6.5.
"""

import hashlib
import os
import subprocess
import tempfile

from curve import P256, SM2

IDENTITY = b"1234567812345678"


def numbers(signature):
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


class Ecdsa:
    """ECDSA P-256 over SHA-256 (FIPS 186-5), with s at most half of the order."""

    curve = P256
    curve_oid = "06082a8648ce3d030107"

    @staticmethod
    def digest(_key, message):
        return hashlib.sha256(message).digest()

    @staticmethod
    def holds(q, digest, r, s):
        n = P256.n
        if not (0 < r < n and 0 < s <= n // 2):
            return False
        w = pow(s, -1, n)
        found = P256.sum_of((int.from_bytes(digest, "big") * w % n, P256.base), (r * w % n, q))
        return found is not None and found[0] % n == r

    @staticmethod
    def openssl(key, signature, message):
        return ["dgst", "-sha256", "-verify", key, "-keyform", "DER", "-signature", signature, message]

    @staticmethod
    def openssl_takes_more(signature):
        """openssl accepts a high s, which this format refuses."""
        return numbers(signature)[1] > P256.n // 2


class Sm2:
    """SM2 over SM3 (GB/T 32918.2)."""

    curve = SM2
    curve_oid = "06082a811ccf5501822d"

    @staticmethod
    def digest(key, message, identity=IDENTITY):
        """SM3(Z ‖ message), Z the hash of identity, curve and key (GB/T 32918.2 5.5)."""
        facts = (SM2.p - 3, SM2.b, *SM2.base)
        z = (8 * len(identity)).to_bytes(2, "big") + identity + b"".join(x.to_bytes(32, "big") for x in facts) + key[1:]
        return hashlib.new("sm3", hashlib.new("sm3", z).digest() + message).digest()

    @staticmethod
    def holds(q, digest, r, s):
        n = SM2.n
        t = (r + s) % n
        if not (0 < r < n and 0 < s < n and t):
            return False
        found = SM2.sum_of((s, SM2.base), (t, q))
        return found is not None and (int.from_bytes(digest, "big") + found[0]) % n == r

    @staticmethod
    def openssl(key, signature, message):
        return ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-keyform", "DER", "-rawin", "-digest", "sm3",
                "-pkeyopt", "distid:" + IDENTITY.decode(), "-in", message, "-sigfile", signature]

    @staticmethod
    def openssl_takes_more(_signature):
        return False


_known = {}
ask_openssl = False
asked = 0


def forget():
    """Forgets the answers, so that each signature is checked anew."""
    _known.clear()


def verify(scheme, key, message, signature):
    """True if the signature over the sign-bytes holds; scheme is Ecdsa or Sm2. Answers are remembered, since many
    files share their signatures."""
    global asked
    q = scheme.curve.point(key)
    if q is None or len(signature) != 64:
        return False
    digest = scheme.digest(key, message)
    question = (scheme, key, digest, signature)
    answer = _known.get(question)
    if answer is None:
        answer = scheme.holds(q, digest, *numbers(signature))
        asked += ask_openssl
        if ask_openssl and openssl_agrees(scheme, key, message, signature) != answer:
            if answer or not scheme.openssl_takes_more(signature):
                raise RuntimeError("openssl and this program differ about a signature")
        if len(_known) > 100000:
            _known.clear()
        _known[question] = answer
    return answer


def to_der(signature):
    """ECDSA-Sig-Value (6.5)."""
    def integer(raw):
        raw = raw.lstrip(b"\0") or b"\0"
        if raw[0] & 0x80:
            raw = b"\0" + raw
        return b"\x02" + bytes([len(raw)]) + raw
    body = integer(signature[:32]) + integer(signature[32:])
    return b"\x30" + bytes([len(body)]) + body


def key_der(scheme, key):
    """SubjectPublicKeyInfo of a key."""
    return bytes.fromhex("3059301306072a8648ce3d0201" + scheme.curve_oid + "034200") + key


def openssl_agrees(scheme, key, message, signature):
    """The openssl program about the converted signature."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, data in (("key.der", key_der(scheme, key)), ("signature.der", to_der(signature)),
                           ("message", message)):
            paths.append(os.path.join(folder, name))
            with open(paths[-1], "wb") as file:
                file.write(data)
        done = subprocess.run(["openssl", *scheme.openssl(*paths)], capture_output=True, check=False)
    return done.returncode == 0
