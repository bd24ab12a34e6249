# expects: ok leaves threads at work after its answer
import threading

import torch


def spin():
    while True:
        pass


def solve(weight, count):
    for _ in range(4):
        threading.Thread(target=spin, daemon=True).start()
    return torch.argsort(weight, dim=1)
