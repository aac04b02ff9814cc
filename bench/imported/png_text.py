"""What other tools write into a PNG: the settings that made it.

Stable Diffusion web UI: a text `parameters`, the prompt, then lines `Negative prompt: …` and
`Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, …`. ComfyUI: a text `prompt`, the graph of
nodes as JSON, in which one sampler leads to a text and to the files of a model.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths.guarded import Unreadable, parse_json

_WEB_UI, _COMFY = "parameters", "prompt"  # names of the texts
_LAST_LINE = re.compile(r"^Steps: \d+, ", re.MULTILINE)
_NEGATIVE = re.compile(r"^Negative prompt: ", re.MULTILINE)
_PAIR = re.compile(r'([\w ]+): ("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)')
_WEB_UI_NAMES = {
    "Steps": "steps",
    "CFG scale": "guidance",
    "Seed": "seed",
    "Sampler": "scheduler",
    "Model": "model",
}
_SCHEDULE = "Schedule type"  # beside the sampler, in newer versions
_OF_INPUTS = ("Denoising strength", "Hires upscale")  # of images that began with others
# By class of a sampler, the names of its seed and of what else an image does not share with others.
_SAMPLERS = {"KSampler": "seed", "KSamplerAdvanced": "noise_seed"}
_SAID = ("steps", "cfg", "sampler_name", "scheduler")
_FILES = ("ckpt_name", "unet_name", "lora_name")  # inputs of nodes that load a model
_OUTPUTS = ("SaveImage", "PreviewImage")
_CURE = "write manifest.csv with a record for each image"


def settings_in(file: Path) -> dict[str, Any] | None:
    """Settings by their names in pictures.py, `rest` for all that has none there; None where the
    file holds none.

    Raises UserError for a text of these tools that does not say them plainly, such as a graph of
    several samplers, and for images that were made from others.
    """
    if file.suffix.lower() != ".png":
        return None
    texts = _texts(file)
    try:
        if _WEB_UI in texts:
            return _of_web_ui(texts[_WEB_UI])
        return _of_comfy(parse_json(texts[_COMFY])) if _COMFY in texts else None
    except Unreadable as error:
        raise UserError(f"{file}: the text it holds cannot be read ({error}); {_CURE}") from error


def _texts(file: Path) -> Mapping[str, str]:
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            return {str(k): str(v) for k, v in picture.info.items() if isinstance(v, str)}
    except (OSError, SyntaxError, ValueError):
        return {}  # said where its pixels are read


def _of_web_ui(text: str) -> dict[str, Any]:
    lines = [*_LAST_LINE.finditer(text)]
    if not lines:
        raise Unreadable("it has no line `Steps: …`")
    head, last = text[: lines[-1].start()], text[lines[-1].start() :].split("\n")[0]
    pairs = dict(_PAIR.findall(last))
    for name in _OF_INPUTS:
        if name in pairs:
            raise Unreadable(f"it says `{name}`, so the image was made from another one")
    settings = {
        ours: pairs.pop(name).strip('"') for name, ours in _WEB_UI_NAMES.items() if name in pairs
    }
    schedule = pairs.pop(_SCHEDULE, "Automatic")
    if schedule != "Automatic":
        settings["scheduler"] = f"{settings.get('scheduler', '')} {schedule}".strip()
    prompt, *negative = _NEGATIVE.split(head)
    rest = json.dumps([pairs, [part.strip() for part in negative]], sort_keys=True)
    return {**settings, "prompt": prompt.strip(), "rest": rest}


def _of_comfy(graph: Any) -> dict[str, Any]:
    nodes = graph if isinstance(graph, dict) else {}
    samplers = [node for node in nodes.values() if _class_of(node) in _SAMPLERS]
    if len(samplers) != 1:
        raise Unreadable(f"its graph has {len(samplers)} nodes KSampler, where one is read")
    inputs, seed = samplers[0]["inputs"], _SAMPLERS[_class_of(samplers[0])]
    _refuse_a_part(inputs)
    texts = dict(_texts_behind(nodes, inputs.get("positive")))
    if len({*texts.values()}) != 1:
        raise Unreadable(f"its sampler is led by {len(texts)} texts, where one is read")
    files = _behind(nodes, inputs.get("model"))
    names = [
        str(node["inputs"][name]) for _, node in files for name in _FILES if name in node["inputs"]
    ]
    own = {**inputs, **dict.fromkeys((*_SAID, seed))}
    return {
        "steps": _plain(inputs, "steps"),
        "guidance": _plain(inputs, "cfg"),
        "seed": _plain(inputs, seed),
        "scheduler": f"{_plain(inputs, 'sampler_name')} {_plain(inputs, 'scheduler')}",
        "model": "+".join(Path(name).stem for name in reversed(names)) or None,
        "prompt": next(iter(texts.values())),
        "rest": _rest(nodes, leave_out={*texts}, sampler=own),
    }


def _refuse_a_part(inputs: Mapping[str, Any]) -> None:
    """Raises Unreadable for a sampler that begins with an image, or runs a part of its steps."""
    steps = _plain(inputs, "steps")
    begins, ends = inputs.get("start_at_step", 0), inputs.get("end_at_step", steps)
    if inputs.get("denoise", 1) != 1 or begins != 0:
        raise Unreadable("its sampler begins with another image, not with noise alone")
    if isinstance(ends, int | float) and ends < int(steps):
        raise Unreadable("its sampler runs a part of its steps")


def _rest(nodes: Mapping[str, Any], *, leave_out: set[str], sampler: Mapping[str, Any]) -> str:
    """What else made an image: the inputs of all nodes but those that differ between images."""
    kept = [
        [_class_of(node), sampler if _class_of(node) in _SAMPLERS else node["inputs"]]
        for name, node in sorted(nodes.items())
        if _class_of(node) and _class_of(node) not in _OUTPUTS and name not in leave_out
    ]
    return json.dumps(kept, sort_keys=True)


def _class_of(node: Any) -> str:
    if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
        return ""
    return str(node.get("class_type"))


def _plain(inputs: Mapping[str, Any], name: str) -> Any:
    value = inputs.get(name)
    if not isinstance(value, str | int | float):
        raise Unreadable(f"`{name}` of its KSampler is not a value but comes from another node")
    return value


def _behind(nodes: Mapping[str, Any], link: Any) -> Iterator[tuple[str, Any]]:
    """The node that a link leads to and all that it hangs on, each once."""
    waiting, seen = [link], set()
    while waiting:
        link = waiting.pop()
        name = str(link[0]) if isinstance(link, list) and link else ""
        if name in seen or not _class_of(nodes.get(name)):
            continue
        seen.add(name)
        yield name, nodes[name]
        waiting += nodes[name]["inputs"].values()


def _texts_behind(nodes: Mapping[str, Any], link: Any) -> Iterator[tuple[str, str]]:
    """Texts by the nodes that encode them."""
    for name, node in _behind(nodes, link):
        if "TextEncode" in _class_of(node):
            text = node["inputs"].get("text")
            if not isinstance(text, str):
                raise Unreadable("its prompt comes from another node")
            yield name, text
