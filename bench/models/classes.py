"""Classes that a pipeline is told in place of a text, read off its files."""

from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.files import INDEX, part_config, read_json
from denoisebench.bench.models.pipelines import PipelineFacts

# Keys of the configs of networks that say how many classes they know.
_COUNTS = (("transformer", "num_embeds_ada_norm"), ("unet", "num_class_embeds"))


def class_labels(folder: Path, facts: PipelineFacts) -> tuple[str, ...]:
    """Label of each class by its number, which is the label where the index has no other; none of a
    pipeline that is told no class, or whose network knows none.

    Raises UserError for an index whose labels are no texts, and for a network that has to be told
    a class and does not say how many it knows.
    """
    if not facts.takes_classes:
        return ()
    labels = read_json(folder / INDEX, f"index of {folder}").get("id2label") or {}
    if not isinstance(labels, dict) or not all(isinstance(name, str) for name in labels.values()):
        raise UserError(
            f"index of {folder}: id2label is no object of numbers and labels; mend or remove it"
        )
    count = next(filter(None, (part_config(folder, part).get(key) for part, key in _COUNTS)), 0)
    if not count and not facts.unconditional:
        raise UserError(
            f"{folder}: the config of its transformer has no num_embeds_ada_norm, the number of "
            "classes that it knows; place it there again"
        )
    return tuple(labels.get(str(number)) or str(number) for number in range(count))
