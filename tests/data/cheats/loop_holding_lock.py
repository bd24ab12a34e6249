# expects: run/timeout never answers, inside C code that holds the interpreter lock
import ctypes


def solve(weight, count):
    ctypes.PyDLL(None).sleep(600)
