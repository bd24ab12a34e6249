"""What runs beside or inside the candidate: the supervisor, the zygote, the worker, and what confines them.

Only here is torch imported. Nothing here knows of tasks, scores, searches or archives; the judge reaches these
processes through `evaluator.executors` and `evaluator.worker_handle`, by bytes of known size.
"""
