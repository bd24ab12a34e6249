# expects: run/timeout never answers and ignores every signal that can be ignored
import signal


def solve(weight, count):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        pass
