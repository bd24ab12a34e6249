# expects: ok sets hints and flags on a file that it may only read, and asks for them
import torch


def solve(weight, count):
    number = readable_file()
    for name, command in {"GET_RW_HINT": 1035, "SET_RW_HINT": 1036, "GET_FILE_RW_HINT": 1037, "SET_FILE_RW_HINT": 1038}.items():
        must_refuse(name, (72, 25), number, command, None)
    commands = {
        "GETFLAGS": 0x80086601,
        "SETFLAGS": 0x40086602,
        "GETVERSION": 0x80087601,
        "SETVERSION": 0x40087602,
        "FSGETXATTR": 0x801C581F,
        "FSSETXATTR": 0x401C5820,
        "ENABLE_VERITY": 0x40806685,
    }
    for name, command in commands.items():
        must_refuse(name, (16, 29), number, command, None)
    return torch.argsort(weight, dim=1)
