# expects: run/exception raises a text that would drive a terminal
def solve(weight, count):
    raise ValueError("\x1b[2J\x1b]0;owned\x07\r\0")
