# expects: ok uses memory, semaphores and queues of System V that another process of this user made
import torch


def solve(weight, count):
    must_refuse("attached memory", (30, 196), 0, None, 0)
    must_refuse("asked for memory", (31, 195), 0, 2, None)
    must_refuse("changed a semaphore", (65, 193), 0, None, 0)
    must_refuse("waited for a semaphore", (220, 192), 0, None, 0, None)
    must_refuse("asked for a semaphore", (66, 191), 0, 0, 12, None)
    must_refuse("sent a message", (69, 189), 0, None, 0, 0)
    must_refuse("received a message", (70, 188), 0, None, 0, 0, 0)
    must_refuse("asked for a queue", (71, 187), 0, 2, None)
    return torch.argsort(weight, dim=1)
