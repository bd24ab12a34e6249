# expects: screen/import imports inside a function, under another name
def rebalance_experts(weight, *sizes):
    from ctypes import CDLL as numpy

    numpy(None).abort()
