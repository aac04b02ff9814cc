"""What pipeline classes of diffusers do, read off their source: nothing of them is imported."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from denoisebench.bench.remembered import remembered
from denoisebench.bench.schedulers.trial import ASKED, DROPPED, PASSED

_CUTS = ("# learned sigma", "noise_pred.chunk(2, dim=1)")  # by which a pipeline drops it
_ASKED_FOR = ("num_inference_steps", "generator", "output_type")  # in each call of a sweep
_NETWORKS = ("unet", "transformer")
_SHOWS = {"prompt", "class_labels"}  # arguments that say what an image shows
# Arguments of calls that start from an image, and of those that make something else.
_FROM_IMAGES = re.compile(r"(control_|mask_|reference_|input_|gligen_inpaint_)?images?")
_MAKES_OTHERS = re.compile(r".*video|num_frames|frames|video_length|frame_size")
_NO_CLASS = re.compile(r"class_null = torch\.tensor\(\[(\d+)\]")
_EDITS = re.compile(r".*(Edit|ControlNet|Adapter|Refiner|Upscale)(Plus)?(PAG)?Pipeline")  # by name
_OWN_WAYS = {
    "StableDiffusionPix2PixZeroPipeline": "needs embeddings of what it is to edit",
    "StableDiffusionLDM3DPipeline": "makes pairs of image and depth",
}
# Forms of guidance, in bench/records/guidance.py, of pipelines whose source does not show it by
# itself.
_FORM_OF = {
    "ClosedFormPipeline": "standard",
    "StableDiffusion3Pipeline": "standard",  # its second call skips layers, on request alone
    "LatentConsistencyModelPipeline": "embedded",
    "FluxPipeline": "embedded",
    "Flux2Pipeline": "embedded",
    "FluxKontextPipeline": "embedded",
    "Kandinsky3Pipeline": "offset_above_1",
    "QwenImagePipeline": "true_cfg",
}
SEVERAL = "several"  # ways of handing levels over, by the class of the scheduler


@dataclass(frozen=True)
class Handed:
    """What a pipeline gives set_timesteps beside or in place of a number of steps."""

    sigmas: str = ""  # array, list or tensor; empty for none
    timesteps: bool = False
    unless_flow: bool = False  # no sigmas to a scheduler that follows a flow by its flag
    mu: str = ""  # always, or dynamic: to a scheduler with dynamic shifting


@dataclass(frozen=True)
class Argument:
    """An argument of a pipeline's call."""

    annotation: str  # as it is written; empty for none
    default: Any  # None where it has none that can be read


@dataclass(frozen=True)
class PipelineFacts:
    """What a sweep needs to know of a pipeline class."""

    problem: str = ""  # why it cannot be driven by a prompt or a class, steps and a scheduler
    unconditional: bool = False  # makes a batch of images of no prompt at all
    takes_classes: bool = False  # numbers of classes, which its network may know
    no_class: int | None = None  # the number that stands for none, which guidance leads away from
    handed: Handed | str = Handed()  # or SEVERAL
    scales: bool = True  # its states by scheduler.scale_model_input
    starts: bool = True  # at the scheduler's init_noise_sigma
    step_takes: tuple[str, ...] = ()  # arguments that it passes to each step unasked
    unclipped: bool = False  # switches off its scheduler's clipping: its values are latents


@cache
def facts_of(name: str) -> PipelineFacts | None:
    """Facts of a pipeline class of diffusers; None for one whose source is not there to be read."""
    methods = _methods(name)
    if "__call__" not in methods or "__init__" not in methods:
        return None
    call, source = methods["__call__"], class_source(name)
    return PipelineFacts(
        problem=_problem(name, call, methods["__init__"]),
        unconditional=_is_unconditional(call),
        takes_classes="class_labels" in _arguments(call),
        no_class=int(none[1]) if (none := _NO_CLASS.search(source)) else None,
        handed=_handed(call),
        scales="scale_model_input" in source,
        starts="init_noise_sigma" in source,
        step_takes=_step_takes(call),
        unclipped='new_config["clip_sample"] = False' in source,
    )


@remembered
def class_source(name: str) -> str:
    """The text of a pipeline class of diffusers; empty where it has none of that name."""
    file = _file_of(name)
    text = file.read_text(encoding="utf-8") if file else ""
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    named = [node for node in classes if node.name == name]
    return ast.get_source_segment(text, named[0]) or "" if named else ""


@cache
def call_arguments(name: str) -> dict[str, Argument] | None:
    """What the call of a pipeline class takes; None where its source is not there to be read."""
    call = _methods(name).get("__call__")
    if call is None:
        return None
    taken = [*call.args.args, *call.args.kwonlyargs]
    left = len(call.args.args) - len(call.args.defaults)
    defaults = [*[None] * left, *call.args.defaults, *call.args.kw_defaults]
    return {
        argument.arg: Argument(
            ast.unparse(argument.annotation) if argument.annotation else "", _literal(default)
        )
        for argument, default in zip(taken, defaults, strict=True)
    }


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node else None
    except ValueError:  # an expression
        return None


@cache
def variance_of(name: str) -> str:
    """What a pipeline does with a variance that its network predicts, in bench/schedulers/trial."""
    source = class_source(name)
    if "variance_type" in source:
        return ASKED
    return DROPPED if any(cut in source for cut in _CUTS) else PASSED


def form_of(name: str) -> str:
    """The form that a pipeline takes a guidance weight in; empty for one that is not known."""
    return _FORM_OF.get(name) or read_form(name)


@cache
def read_form(name: str) -> str:
    """The form of guidance by the sum that a call makes of its predictions; empty where it makes
    none that is known."""
    call, taken = _methods(name).get("__call__"), call_arguments(name)
    if taken is not None and not {"guidance_scale", "true_cfg_scale"} & {*taken}:
        return "none"
    sums = {kind for kind, _ in _guided_sums(call)} if call else set()
    offs = _switched_off_up_to(name)
    if call is None or len(sums) != 1 or len(offs) != 1:
        return ""
    kind, off = sums.pop(), offs.pop()
    if kind == "offset":
        return {0.0: "offset", 1.0: "offset_above_1"}.get(off, "")
    if off != 1.0:
        return ""
    without = {base for _, base in _guided_sums(call)}
    is_stacked = without & set(_stacked(call)) and denoiser_calls(name) == 1
    return "standard" if is_stacked else "separate"


@cache
def denoiser_calls(name: str) -> int:
    """Places in the call of a pipeline class that call its denoiser: with two of them, guidance
    asks it once a side. 0 for one whose source is not there to be read."""
    call = _methods(name).get("__call__")
    return len([*_calls(call, *(f"self.{part}" for part in _NETWORKS))]) if call else 0


def _file_of(name: str) -> Path | None:
    """Where a class is defined, by the tables from which diffusers imports what is asked for."""
    import diffusers

    module: Any = diffusers
    while name in getattr(module, "_class_to_module", {}):
        path = f"{module.__name__}.{module._class_to_module[name]}"
        spec = find_spec(path)
        if spec and spec.origin and not spec.submodule_search_locations:
            return Path(spec.origin)
        module = import_module(path)
    return None


def _methods(name: str) -> dict[str, ast.FunctionDef]:
    classes = ast.parse(class_source(name)).body
    nodes = classes[0].body if classes and isinstance(classes[0], ast.ClassDef) else []
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}


def _arguments(method: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in (*method.args.args, *method.args.kwonlyargs)]


def _problem(name: str, call: ast.FunctionDef, init: ast.FunctionDef) -> str:
    if name in _OWN_WAYS:
        return _OWN_WAYS[name]
    return "starts from an image" if _EDITS.fullmatch(name) else next(_problems(call, init), "")


def _problems(call: ast.FunctionDef, init: ast.FunctionDef) -> Iterator[str]:
    """Why prompts or classes, steps and a scheduler alone do not drive a pipeline."""
    takes, parts = _arguments(call), _arguments(init)
    needed = takes[1 : len(call.args.args) - len(call.args.defaults)]
    lacking = [name for name in _ASKED_FOR if name not in takes]
    if not _SHOWS & set(takes) and not _is_unconditional(call):
        yield "takes no prompt"
    if set(needed) - _SHOWS:
        yield f"needs {', '.join(name for name in needed if name not in _SHOWS)}"
    if lacking:
        yield f"takes no {', '.join(lacking)}"
    if [name for name in parts if name.endswith("scheduler")] != ["scheduler"]:
        yield "does not run one scheduler alone"
    sized = {"height", "batch_size", "class_labels"} & set(takes)
    if not sized or any(_MAKES_OTHERS.fullmatch(name) for name in takes):
        yield "makes no single images"
    if any(_is_needed_image(name, call) for name in takes):
        yield "starts from an image"
    if not set(_NETWORKS) & set(parts):
        yield "has no network called unet or transformer"
    if not any(_calls(call, "self.scheduler.step")):
        yield "leaves its steps to other pipelines"


def _is_unconditional(call: ast.FunctionDef) -> bool:
    takes = _arguments(call)
    return "batch_size" in takes and "prompt" not in takes


def _is_needed_image(name: str, call: ast.FunctionDef) -> bool:
    """Whether an argument is an image that the call does not do without."""
    is_optional = f"{name} is not None" in ast.unparse(call) and "strength" not in _arguments(call)
    return bool(_FROM_IMAGES.fullmatch(name)) and not is_optional


def _calls(method: ast.FunctionDef, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


def _step_takes(call: ast.FunctionDef) -> tuple[str, ...]:
    steps = _calls(call, "self.scheduler.step")
    names = {keyword.arg for step in steps for keyword in step.keywords if keyword.arg}
    return tuple(sorted(names - {"return_dict", "sample", "timestep", "model_output"}))


def _handed(call: ast.FunctionDef) -> Handed | str:
    """What the call gives its scheduler to set its timesteps."""
    calls = [*_calls(call, "retrieve_timesteps", "self.scheduler.set_timesteps")]
    ways = {_way(node, call): None for node in calls}
    taken = [way for way in ways if way is not None]
    return (taken or [Handed()])[0] if len(taken) < 2 else SEVERAL


def _way(node: ast.Call, call: ast.FunctionDef) -> Handed | None:
    """What one call hands over; None where it is for timesteps of the user's own."""
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    is_helper = ast.unparse(node.func) == "retrieve_timesteps"
    if is_helper:  # (scheduler, number of steps, device, timesteps, sigmas)
        given |= dict(zip(("timesteps", "sigmas"), node.args[3:], strict=False))
    sigmas = _made(given.get("sigmas"), call, before=node.lineno)
    timesteps = _made(given.get("timesteps"), call, before=node.lineno)
    if not is_helper and "timesteps" in given and not timesteps:
        return None
    return Handed(
        sigmas=_kind_of(sigmas[-1]) if sigmas else "",
        timesteps=bool(timesteps),
        unless_flow="None" in map(ast.unparse, sigmas),
        mu=_mu(node, call),
    )


def _made(value: ast.expr | None, call: ast.FunctionDef, *, before: int) -> list[ast.expr]:
    """What an argument is made of in the call: none where it is the user's alone."""
    if value is None or isinstance(value, ast.Constant):
        return []
    if isinstance(value, ast.Subscript):
        return _made(value.value, call, before=before)
    if not isinstance(value, ast.Name):
        return [value]
    assigned = [
        node
        for node in ast.walk(call)
        if isinstance(node, ast.Assign)
        and node.lineno < before
        and any(isinstance(t, ast.Name) and t.id == value.id for t in node.targets)
    ]
    nothing = [n.value for n in assigned if ast.unparse(n.value) == "None"]
    return [*nothing, *(n.value for n in assigned if ast.unparse(n.value) != "None")]


def _kind_of(value: ast.expr) -> str:
    text = ast.unparse(value)
    if "tolist" in text:
        return "list"
    if "torch." in text:
        return "tensor"
    inner = value.body if isinstance(value, ast.IfExp) else value
    own = isinstance(inner, ast.Call) and "np." not in text
    return "list" if own else "array"


def _mu(node: ast.Call, call: ast.FunctionDef) -> str:
    if any(keyword.arg == "mu" for keyword in node.keywords):
        return "always"
    if not any(keyword.arg is None for keyword in node.keywords):
        return ""
    text = ast.unparse(call)
    if "scheduler_kwargs = {'mu': mu}" in text:
        return "always"
    return "dynamic" if "scheduler_kwargs['mu']" in text else ""


def _switched_off_up_to(name: str) -> set[float]:
    """Weights that a class compares its own with, beside what its documentation says of them."""
    code = "\n".join(map(_without_text, _methods(name).values()))
    limits = re.findall(r"(?:self\._|self\.|\b)guidance_scale > (\d+\.?\d*)", code)
    return {float(limit) for limit in limits}


def _without_text(method: ast.FunctionDef) -> str:
    doc = ast.get_docstring(method, clean=False)
    return "\n".join(map(ast.unparse, method.body[1:] if doc is not None else method.body))


def _guided_sums(call: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """(`standard`, u) for each u + w (c - u) of a guidance weight, (`offset`, u) for
    c + w (c - u)."""
    for node in ast.walk(call):
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
            continue
        product = node.right
        if not (isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult)):
            continue
        weight, change = product.left, product.right
        if not (isinstance(change, ast.BinOp) and isinstance(change.op, ast.Sub)):
            continue
        if not re.fullmatch(r"(self\._?|current_)?guidance_scale", ast.unparse(weight)):
            continue
        base, with_prompt, without = map(ast.unparse, (node.left, change.left, change.right))
        if base in (with_prompt, without):
            yield ("standard" if base == without else "offset"), without


def _stacked(call: ast.FunctionDef) -> Iterator[str]:
    """Names of predictions without the prompt that are the first half of one batch of two."""
    text = ast.unparse(call)
    if not re.search(r"\[(latents|intermediate_images)\] \* 2\b|cat\(\[latents, latents\]", text):
        return
    for node in ast.walk(call):
        if isinstance(node, ast.Assign) and re.search(r"\.chunk\(2(, dim=0)?\)$", _text(node)):
            for target in node.targets:
                if isinstance(target, ast.Tuple):
                    yield ast.unparse(target.elts[0])


def _text(node: ast.Assign) -> str:
    return ast.unparse(node.value)
