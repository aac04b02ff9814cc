"""What a model's files say of settings that were left open."""

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import EVERYDAY, UNCONDITIONAL
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.pipelines import facts_of
from denoisebench.bench.settings.job import Settings


def completed(settings: Settings, model: FoundModel) -> Settings:
    """The settings with the size that the pipeline makes unasked, where none is given, and without
    the prompts that nobody chose, where the pipeline takes none.

    Raises UserError where neither the settings nor the model's files say the size.
    """
    given, stated = settings.model, model.size or (None, None)
    width, height = given.width or stated[0], given.height or stated[1]
    if width is None or height is None:
        raise UserError(
            f"model.width, model.height: {model.source} does not say which size it makes "
            f"({model.pipeline_class}); give both"
        )
    update = {"model": given.model_copy(update={"width": width, "height": height})}
    facts = facts_of(model.pipeline_class)
    if facts and facts.unconditional and settings.prompts.path == EVERYDAY:
        prompts = {"name": UNCONDITIONAL, "path": UNCONDITIONAL, "column": None}
        return settings.model_copy(
            update={**update, "prompts": settings.prompts.model_copy(update=prompts)}
        )
    return settings.model_copy(update=update)
