# expects: screen/import imports what no solver needs
import os


def rebalance_experts(weight, *sizes):
    os._exit(0)
