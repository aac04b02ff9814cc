"""What a model's files say of settings that were left open."""

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import CLASSES, EVERYDAY, UNCONDITIONAL
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.pipelines import facts_of
from denoisebench.bench.settings.job import PromptSettings, Settings

_ORDER = 0  # of classes that nobody chose: as in conf/prompts/classes.yaml


def completed(settings: Settings, model: FoundModel) -> Settings:
    """The settings with the size that the pipeline makes unasked, where none is given, with the
    classes that the model is told, and with what it takes in place of prompts that nobody chose.

    Raises UserError where neither the settings nor the model's files say the size.
    """
    given, stated = settings.model, model.size or (None, None)
    width, height = given.width or stated[0], given.height or stated[1]
    if width is None or height is None:
        raise UserError(
            f"model.width, model.height: {model.source} does not say which size it makes "
            f"({model.pipeline_class}); give both"
        )
    return settings.model_copy(
        update={
            "model": given.model_copy(update={"width": width, "height": height}),
            "prompts": _prompts(settings.prompts, model),
        }
    )


def _prompts(given: PromptSettings, model: FoundModel) -> PromptSettings:
    """What a model is told that takes no text, where no prompts were chosen."""
    facts = facts_of(model.pipeline_class)
    update: dict[str, object] = {"classes": model.classes}
    if given.path == EVERYDAY and model.classes:
        shuffle = _ORDER if given.shuffle is None else given.shuffle
        update |= {"name": CLASSES, "path": CLASSES, "column": None, "shuffle": shuffle}
    elif given.path == EVERYDAY and facts and facts.unconditional:
        update |= {"name": UNCONDITIONAL, "path": UNCONDITIONAL, "column": None}
    return given.model_copy(update=update)
