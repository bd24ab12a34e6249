# expects: run/exception raises an error that cannot be shown
class Shy(Exception):
    def __str__(self):
        raise self


def solve(weight, count):
    raise Shy
