"""What runs beside or inside the candidate: the supervisor, the zygote, the worker, and what confines them.

torch is imported here only. Nothing here knows tasks, scores, searches or archives. The judge reaches these processes
through `evaluator.executors` and `evaluator.worker_handle`, in bytes of known size.
"""
