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


def must_refuse(what, numbers, *arguments):
    """A system call by its number on x86_64 and on aarch64: the filter must answer that it is forbidden or absent."""
    ctypes, errno = __import__("ctypes"), __import__("errno")
    libc = ctypes.CDLL(None, use_errno=True)
    number = numbers[__import__("os").uname().machine == "aarch64"]
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_void_p, arguments))
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        raise RuntimeError(f"BREACH: {what}: {result}, errno {ctypes.get_errno()}")


def readable_file():
    """A descriptor of a large file that every process may read."""
    os, here = __import__("os"), __import__("torch").__file__
    return os.open(os.path.join(os.path.dirname(here), "functional.py"), os.O_RDONLY)
