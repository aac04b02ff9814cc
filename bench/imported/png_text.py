"""What other tools write into a PNG: the settings that made it.

Stable Diffusion web UI: a text `parameters`, the prompt, then lines `Negative prompt: …` and
`Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, …`. ComfyUI: a text `prompt`, the graph of
nodes as JSON, in which one sampler leads to a text.
"""

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
_WEB_UI_NAMES = {"Steps": "steps", "CFG scale": "guidance", "Seed": "seed", "Sampler": "scheduler"}
_SCHEDULE = "Schedule type"  # beside the sampler, in newer versions
_SAMPLERS = {"KSampler": "seed", "KSamplerAdvanced": "noise_seed"}  # by class, the name of the seed
_CURE = "write manifest.csv with a record for each image"


def settings_in(file: Path) -> dict[str, Any] | None:
    """model-free settings by name, of COLUMNS in pictures.py; None where the file holds none.

    Raises UserError for a text of these tools that does not say them plainly, such as a graph of
    several samplers.
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
    line = _LAST_LINE.search(text)
    if line is None:
        raise Unreadable("it has no line `Steps: …`")
    head, pairs = text[: line.start()], dict(_PAIR.findall(text[line.start() :].split("\n")[0]))
    settings = {ours: pairs[theirs] for theirs, ours in _WEB_UI_NAMES.items() if theirs in pairs}
    schedule = pairs.get(_SCHEDULE, "Automatic")
    if schedule != "Automatic":
        settings["scheduler"] = f"{settings.get('scheduler', '')} {schedule}".strip()
    return {**settings, "prompt": _NEGATIVE.split(head)[0].strip()}


def _of_comfy(graph: Any) -> dict[str, Any]:
    nodes = graph if isinstance(graph, dict) else {}
    samplers = [node for node in nodes.values() if _class_of(node) in _SAMPLERS]
    if len(samplers) != 1:
        raise Unreadable(f"its graph has {len(samplers)} nodes KSampler, where one is read")
    inputs = samplers[0]["inputs"]
    return {
        "steps": _plain(inputs, "steps"),
        "guidance": _plain(inputs, "cfg"),
        "seed": _plain(inputs, _SAMPLERS[_class_of(samplers[0])]),
        "scheduler": f"{_plain(inputs, 'sampler_name')} {_plain(inputs, 'scheduler')}",
        "prompt": _prompt_of(nodes, inputs.get("positive")),
    }


def _class_of(node: Any) -> str:
    if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
        return ""
    return str(node.get("class_type"))


def _plain(inputs: Mapping[str, Any], name: str) -> Any:
    value = inputs.get(name)
    if not isinstance(value, str | int | float):
        raise Unreadable(f"`{name}` of its KSampler is not a value but comes from another node")
    return value


def _prompt_of(nodes: Mapping[str, Any], link: Any) -> str:
    """The one text from which a node's conditioning comes."""
    texts = [*dict.fromkeys(_texts_behind(nodes, link, set()))]
    if len(texts) != 1:
        raise Unreadable(f"its sampler is led by {len(texts)} texts, where one is read")
    return texts[0]


def _texts_behind(nodes: Mapping[str, Any], link: Any, seen: set[str]) -> Iterator[str]:
    if not isinstance(link, list) or not link or str(link[0]) in seen:
        return
    seen.add(str(link[0]))
    node: Any = nodes.get(str(link[0]))
    if not _class_of(node):
        return
    for name, value in node["inputs"].items():
        if name == "text" and isinstance(value, str):
            yield value
        else:
            yield from _texts_behind(nodes, value, seen)
