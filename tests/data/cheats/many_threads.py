# expects: run/exception|run/killed starts threads without end
import threading


def solve(weight, count):
    threading.stack_size(1 << 16)
    while True:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
