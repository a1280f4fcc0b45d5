"""Signatures for the vectors, under either suite. Deterministic: the nonce is that of RFC 6979, with the suite's hash
and the suite's digest of the message."""

import subprocess

import signature
from codec import uint


def private_key(path):
    text = subprocess.run(["openssl", "pkey", "-in", str(path), "-noout", "-text"], capture_output=True, check=True,
                          text=True).stdout
    digits = text.split("priv:")[1].split("pub:")[0]
    return int("".join(digits.split()).replace(":", ""), 16)


def public_key(suite, secret):
    x, y = suite.curve.sum_of((secret, suite.curve.base))
    return b"\4" + uint(x, 32) + uint(y, 32)


def nonces(suite, secret, digest):
    k, v = bytes(32), b"\1" * 32
    seed = uint(secret, 32) + uint(int.from_bytes(digest, "big") % suite.curve.n, 32)
    for separator in (b"\0", b"\1"):
        k = suite.hmac(k, v + separator + seed)
        v = suite.hmac(k, v)
    while True:
        v = suite.hmac(k, v)
        if 0 < int.from_bytes(v, "big") < suite.curve.n:
            yield int.from_bytes(v, "big")
        k = suite.hmac(k, v + b"\0")
        v = suite.hmac(k, v)


def sign(suite, secret, message):
    return sign_digest(suite, secret, suite.scheme.digest(public_key(suite, secret), message))


def sign_digest(suite, secret, digest):
    n, e = suite.curve.n, int.from_bytes(digest, "big")
    for nonce in nonces(suite, secret, digest):
        x = suite.curve.sum_of((nonce, suite.curve.base))[0]
        if suite.scheme is signature.Sm2:
            r = (e + x) % n
            s = (nonce - r * secret) * pow(1 + secret, -1, n) % n
            if r and s and r + nonce != n:
                return uint(r, 32) + uint(s, 32)
            continue
        r = x % n
        s = (e + r * secret) * pow(nonce, -1, n) % n
        if r and s:
            return uint(r, 32) + uint(min(s, n - s), 32)
