"""Defects of diffusers' caches that `denoisebench verify cache=all` measured: data.

A table, checked both ways: verify fails when it measures what is not listed, and when what is
listed is gone. A row that `stops` keeps a sweep from running the pair at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

TABLE = "0.42.1"  # the diffusers version that was measured

_SD3 = "SD3Transformer2DModel"
_Z_IMAGE = "ZImageTransformer2DModel"
_TWO_CALLS = ("FluxTransformer2DModel", "QwenImageTransformer2DModel", "WanTransformer3DModel")
_OTHER_NAMES = (
    "PixArtTransformer2DModel",
    "SanaTransformer2DModel",
    "WanTransformer3DModel",
    _Z_IMAGE,
)
_COUNTING = (
    "taylorseer",
    "taylorseer lite",
    "magcache",
    "magcache flux ratios",
    "faster",
    "pyramid",
)


@dataclass(frozen=True)
class KnownCacheDefect:
    """What is wrong, where it is measured, and what to do."""

    name: str  # of its script in bench/verify/caches/defects too
    trials: tuple[str, ...]  # of bench/verify/caches/trials.py
    # Of bench/verify/caches/judge.py, with the largest number that is expected: what was measured,
    # and a fifth more.
    checks: Mapping[str, float] = field(hash=False)
    effect: str
    advice: str
    networks: tuple[str, ...] = ()  # classes of denoisers; none: any
    says: str = ""  # regular expression that the note of a check must match
    stops: bool = False  # whether nothing of the pair is of use

    def is_about(self, trial: str, network: str) -> bool:
        return trial in self.trials and (not self.networks or network in self.networks)

    def expects(self, check: str, value: float, note: str) -> bool:
        return value <= self.checks.get(check, -1) and bool(re.search(self.says, note))


KNOWN = (
    KnownCacheDefect(
        "text-stream-none",
        ("first_block", "taylorseer lite"),
        {"runs": 7},
        "the last block of SD3 returns None for the text, and the cache computes with it: it fails "
        "in the first evaluation",
        "use magcache on SD3",
        (_SD3,),
        says="NoneType",
        stops=True,
    ),
    KnownCacheDefect(
        "no-history-without-text",
        ("sea",),
        {"hits": 1},
        "of blocks that have a text stream, SeaCache keeps a residual only where the last one "
        "returns it, which that of SD3 does not: it never hits, and says so in a warning alone",
        "use magcache on SD3",
        (_SD3,),
        stops=True,
    ),
    KnownCacheDefect(
        "pooled-not-halved",
        ("faster",),
        {"runs": 8},
        "FasterCache halves the arguments that it knows by name; pooled_projections of SD3 is none "
        "of them: the next evaluation fails, and after the last one there are two images for one",
        "use pyramid on SD3",
        (_SD3,),
        says="size of tensor|samples where",
        stops=True,
    ),
    KnownCacheDefect(
        "skips-before-it-computed",
        ("faster",),
        {"runs": 1},
        "where guidance is no batch of two halves, FasterCache takes attention from an empty cache "
        "if the first timestep is in its range",
        "keep cache.below under the first timestep",
        _TWO_CALLS,
        says="not subscriptable",
    ),
    KnownCacheDefect(
        "one-state-for-both-sides",
        ("faster", "pyramid"),
        {"states": 0.45},
        "the attention that is kept is one for all calls, whatever cache_context says: where "
        "guidance is two calls, the unconditional one is given attention of the conditional one",
        "use taylorseer, first_block or magcache, or no guidance by two calls",
        _TWO_CALLS,
    ),
    KnownCacheDefect(
        "attention-by-name",
        ("taylorseer",),
        {"hits": 1},
        "TaylorSeer looks for modules whose whole name ends with attn: where they are called attn1 "
        "and attn2, or lie in `layers`, it is laid on nothing, without a word",
        "set cache.lite=true, or use pyramid",
        _OTHER_NAMES,
        stops=True,
    ),
    KnownCacheDefect(
        "lite-by-name",
        ("taylorseer lite",),
        {"hits": 1},
        "TaylorSeer's lite mode looks for blocks and proj_out by name; those of Z-Image are called "
        "layers and all_final_layer: it is laid on nothing, without a word",
        "use pyramid on Z-Image",
        (_Z_IMAGE,),
        stops=True,
    ),
    KnownCacheDefect(
        "argument-called-x",
        ("first_block", "magcache", "magcache flux ratios", "sea"),
        {"runs": 6},
        "the blocks of Z-Image are registered for caches of blocks, but their state is called x, "
        "not hidden_states: ValueError in the first call, KeyError in later ones",
        "use pyramid on Z-Image",
        (_Z_IMAGE,),
        says="hidden_states",
        stops=True,
    ),
    KnownCacheDefect(
        "lists-not-halved",
        ("faster",),
        {"runs": 8},
        "Z-Image takes and returns lists, which FasterCache cannot halve: AttributeError in the "
        "first evaluation",
        "use pyramid on Z-Image",
        (_Z_IMAGE,),
        says="'list' object",
        stops=True,
    ),
    KnownCacheDefect(
        "whole-batch-decides",
        ("first_block", "sea"),
        {"decisions": 10, "batch": 0.15},
        "one decision is taken for the whole batch, from means over it: what is skipped of a "
        "sample, and so its image, depends on the samples beside it",
        "make samples one by one",
    ),
    KnownCacheDefect(
        "evaluations-as-steps",
        _COUNTING,
        {"steps": 6},
        "evaluations are counted, but the options are steps: Heun's method makes two a step, so "
        "that warm-up ends early and a step's second evaluation is taken for the next step",
        "use a scheduler of one evaluation a step",
    ),
    KnownCacheDefect(
        "ratio-of-one-is-no-error",
        ("magcache flux ratios",),
        {"off": 0.14},
        "a threshold of 0 still skips where a ratio is exactly 1, as some of FLUX's are: the error "
        "is compared with <=, not <",
        "set cache.max_skip=0 to switch it off",
    ),
)


def words_of(name: str) -> str:
    """Effect and advice of the defect of that name."""
    (known,) = (known for known in KNOWN if known.name == name)
    return f"{known.effect}; {known.advice}"
