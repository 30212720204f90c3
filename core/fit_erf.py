#!/usr/bin/env python3
"""The polynomials of core/erf.h: `python3 fit_erf.py` prints them, with the largest error of each. Needs mpmath.

Each interpolates its function at Chebyshev points, computed with 60 digits and then rounded.
"""

import mpmath as mp

mp.mp.dps = 60
K = 3  # t = (x - 3) / (x + 3) spreads the change of the tail evenly


def near(u):
    """erf x / x - 1 as a function of u = x^2."""
    return (mp.erf(mp.sqrt(u)) / mp.sqrt(u) if u else 2 / mp.sqrt(mp.pi)) - 1


def tail(t):
    """(1 + 2 x) exp(x^2) erfc x, nearly constant: the idea of Shepherd and Laframboise (1981)."""
    x = K * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def interpolate(f, low, high, degree):
    n = degree + 1
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    return mp.lu_solve(mp.matrix([[x**j for j in range(n)] for x in points]), mp.matrix([f(x) for x in points]))


def show(name, f, low, high, degree, suffix):
    low, high = mp.mpf(low), mp.mpf(high)
    c = interpolate(f, low, high, degree)
    grid = [low + (high - low) * k / 1000 for k in range(1001)]
    worst = max(abs(mp.polyval(list(c)[::-1], x) - f(x)) for x in grid)
    print(f"// {name}, degree {degree}: within {mp.nstr(worst, 2)}")
    digits = 9 if suffix else 17
    print(", ".join(mp.nstr(x, digits) + suffix for x in c))


def at(x):
    return (mp.mpf(x) - K) / (mp.mpf(x) + K)


show("float: near", near, 0, 1, 7, "f")
show("float: tail", tail, at(0.5), at(10.5), 9, "f")
show("double: near", near, 0, 1, 12, "")
show("double: tail", tail, at(0.5), at(28), 22, "")
