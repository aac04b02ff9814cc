"""How much of a prompt a pipeline reads: by its tokenizers, for which no weights are loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.models.files import parts_of
from denoisebench.bench.models.load import WRONG_FILES, FoundModel
from denoisebench.bench.models.pipelines import call_arguments
from denoisebench.bench.models.quiet import quiet_libraries

_LIMIT = "max_sequence_length"  # argument of a pipeline's call


def read_in_part(
    model: FoundModel, prompts: Sequence[str], arguments: Mapping[str, Any]
) -> tuple[int, int] | None:
    """Prompts whose end no text encoder reads, and the tokens that are read of each: encoders
    ignore what exceeds their context. None where a tokenizer is not one of the libraries'.

    arguments: given to the pipeline's call. Raises UserError for a tokenizer that cannot be loaded.
    """
    folder = model.loading.config or model.source
    if isinstance(folder, str) or folder.is_file():  # in closed form, or told no text
        return 0, 0
    tokenizers = _tokenizers(folder)
    if None in tokenizers:
        return None
    limit = (call_arguments(model.pipeline_class) or {}).get(_LIMIT)
    wanted = arguments.get(_LIMIT, limit.default if limit else None)
    limits = [(_tokens_read(tokenizer, wanted), tokenizer) for tokenizer in tokenizers]
    if not limits:
        return 0, 0
    most, widest = max(limits, key=lambda pair: pair[0])
    return sum(len(tokens) > most for tokens in widest(list(prompts)).input_ids), most


def _tokens_read(tokenizer: Any, wanted: int | None) -> int:
    """The pipeline's own limit holds for all encoders but CLIP, whose context is its own."""
    context: int = tokenizer.model_max_length
    if type(tokenizer).__name__.startswith("CLIP"):
        return context
    return min(context, wanted or context)


def _tokenizers(folder: Path) -> tuple[Any, ...]:
    """Those of a pipeline in a folder; None for each that its own code defines."""
    parts = sorted(parts_of(folder).items())
    names = {part: of for part, of in parts if part.startswith("tokenizer")}
    return tuple(_tokenizer(folder / part, *of) for part, of in names.items())


def _tokenizer(folder: Path, library: str, name: str) -> Any:
    import diffusers.pipelines
    import transformers

    module = (
        transformers if library == "transformers" else getattr(diffusers.pipelines, library, None)
    )
    cls: Any = getattr(module, name, None)
    if cls is None:
        return None
    try:
        with quiet_libraries():
            return cls.from_pretrained(folder, local_files_only=True)
    except WRONG_FILES as error:
        raise UserError(
            f"{folder} cannot be loaded ({first_line(error)}); place its files again"
        ) from error
