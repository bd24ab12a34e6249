# expects: load/exception has an entry point that fails when it is looked at
class Entry:
    def __call__(self, *args):
        return honest(*args)

    @property
    def __signature__(self):
        raise KeyboardInterrupt


rebalance_experts = Entry()
