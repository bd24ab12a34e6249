# expects: run/exception raises an error whose text raises
class Shy(Exception):
    def __str__(self):
        raise self

    __repr__ = __str__


def rebalance_experts(weight, *sizes):
    raise Shy
