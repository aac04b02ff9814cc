"""A cache that is sound, and the same with a fault each, to lay on blocks in place of TaylorSeer.

Of every `interval` evaluations it computes the first and gives its outputs again in the others.
"""

from diffusers.hooks import HookRegistry
from diffusers.hooks.hooks import BaseState, ModelHook, StateManager

FAULTS = {
    "off": "changes outputs at interval 1 too",
    "repeat": "keeps its state between calls",
    "hits": "never skips",
    "growth": "skips less at longer intervals",
    "work": "runs a block twice",
    "states": "has one state for both sides of guidance",
    "computed": "computes wrongly after a hit",
    "batch": "skips by the size of the batch",
    "steps": "counts evaluations as steps",
    "runs": "raises at the longest interval",
}


class State(BaseState):
    def __init__(self):
        self.count, self.output = -1, None

    def reset(self):
        self.count, self.output = -1, None


class Hook(ModelHook):
    _is_stateful = True

    def __init__(self, interval, fault, evaluations):
        super().__init__()
        self.manager, self.fault, self.evaluations = StateManager(State), fault, evaluations
        self.interval = {1: 1, 2: 8, 4: 4, 8: 2}[interval] if fault == "growth" else interval
        self.alone = State()

    def new_forward(self, module, *args, **kwargs):
        if self.fault == "runs" and self.interval == 8:
            raise RuntimeError("planted")
        state = self.alone if self.fault == "states" else self.manager.get_state()
        state.count += 1
        step = state.count if self.fault == "steps" else state.count // self.evaluations
        skips = step % self.interval and self.fault != "hits"
        if self.fault == "batch" and self.interval > 1:
            skips = bool(state.count) and len(tensor_of(args, kwargs)) % 2
        if skips and state.output is not None:
            return state.output
        return self.computed(state, args, kwargs)

    def computed(self, state, args, kwargs):
        after_a_hit = state.output is not None and self.interval > 1
        state.output = self.fn_ref.original_forward(*args, **kwargs)
        if self.fault == "work":
            self.fn_ref.original_forward(*args, **kwargs)
        if self.fault == "off" or (self.fault == "computed" and after_a_hit):
            state.output = shifted(state.output)
        return state.output

    def reset_state(self, module):
        self.alone.reset()
        if self.fault != "repeat":
            self.manager.reset()


def tensor_of(args, kwargs):
    return args[0] if args else kwargs["hidden_states"]


def shifted(output):
    return tuple(map(shifted, output)) if isinstance(output, tuple) else output + 0.1


def planting(fault="", evaluations=1):
    """What lays the cache on a network, in place of diffusers' function."""

    def lay(network, config):
        for name in ("transformer_blocks", "single_transformer_blocks", "blocks"):
            for block in getattr(network, name, ()):
                registry = HookRegistry.check_if_exists_or_initialize(block)
                registry.register_hook(Hook(config.cache_interval, fault, evaluations), "planted")

    return lay
