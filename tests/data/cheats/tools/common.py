def must_fail(what, action):
    try:
        action()
    except OSError:
        return
    raise RuntimeError(f"BREACH: {what}")


def channel():
    """The socket on which the judge is spoken to."""
    return next(number for number in range(3, 256) if is_socket(number))


def is_socket(number):
    try:
        return __import__("stat").S_ISSOCK(__import__("os").fstat(number).st_mode)
    except OSError:
        return False


def caller_local(name):
    """A variable of the nearest caller that has one of that name."""
    frame = __import__("sys")._getframe()
    while name not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals[name]
