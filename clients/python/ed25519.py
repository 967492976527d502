"""Verifies Ed25519 signatures: RFC 8032, section 5.1. It signs nothing: no secrets here.

A point x, y of the curve is kept as x*z, y*z, z, x*y*z.
"""
import hashlib

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

def point(data):
    odd, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        raise ValueError("a key or a signature is no point of the curve")
    x = x if x % 2 == odd else P - x
    return x, y, 1, x * y % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    return (b-a)*(d-c) % P, (d+c)*(b+a) % P, (d-c)*(d+c) % P, (b-a)*(b+a) % P

def times(n, p):
    result = (0, 1, 1, 0)
    for bit in f"{n:b}":
        result = add(result, result)
        result = add(result, p) if bit == "1" else result
    return result

BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

def has_signed(key, message, signature):
    """Whether 64 bytes are the signature of a message by the key of these 32 bytes."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    p, q = times(s, BASE), add(point(r), times(k, point(key)))
    same = (p[0]*q[2] - q[0]*p[2]) % P == 0 == (p[1]*q[2] - q[1]*p[2]) % P
    return same and s < L and len(signature) == 64
