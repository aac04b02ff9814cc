"""Whether weights hold every tensor of their networks: what they lack, libraries leave out or draw.

A network with one tensor at random makes images, and all their numbers are of another model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.files import parts_of


def refuse_drawn_tensors(folder: Path, variants: Mapping[str, str | None]) -> None:
    """Raises UserError for networks of transformers, which draws what their files lack.

    variants: of the weight files that are loaded, by part."""
    import transformers

    for part, (library, name) in parts_of(folder).items():
        cls = getattr(transformers, name, None) if library == "transformers" else None
        if isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel):
            load: Any = cls.from_pretrained  # typed without its report
            _, report = load(
                folder / part,
                variant=variants[part],
                use_safetensors=True,
                local_files_only=True,
                device_map="meta",  # names alone are compared
                output_loading_info=True,
            )
            _refuse(folder / part, report["missing_keys"])


def refuse_absent_tensors(pipeline: Any, source: Path) -> None:
    """Raises UserError for networks of diffusers, which leaves without content what files lack."""
    for part, network in pipeline.components.items():
        tensors = network.named_parameters() if hasattr(network, "named_parameters") else ()
        _refuse(source / part, [name for name, tensor in tensors if tensor.is_meta])


def _refuse(part: Path, lacking: Any) -> None:
    names = sorted(lacking)
    if names:
        more = f" and {len(names) - 1} more" if names[1:] else ""
        raise UserError(f"weights of {part} lack {names[0]}{more}; place whole ones there")
