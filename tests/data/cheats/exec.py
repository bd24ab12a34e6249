# expects: run/exited becomes another program that sends no reply
import os


def solve(weight, count):
    os.execv("/bin/sh", ["sh", "-c", "exit 3"])
