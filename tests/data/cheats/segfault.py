# expects: run/crashed reads address zero
import ctypes


def solve(weight, count):
    ctypes.string_at(0)
