"""What is read off the source of diffusers' pipelines, against every one that is installed."""

import json
import re
from pathlib import Path

import diffusers
import pytest

from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.pipelines import SEVERAL, Handed, facts_of, form_of, read_form
from denoisebench.bench.plan.refusals import refusal
from denoisebench.bench.records.guidance import FORMS
from denoisebench.bench.schedulers.catalogue import SCHEDULERS

# By name, what is no pipeline of a text alone; what is left is taken for text-to-image.
OTHERS = re.compile(
    "Img2Img|Image2Image|ImageToImage|Inpaint|ControlNet|Control|Edit|Adapter|Upscale|Refiner|"
    "LTX|Transfer|Video|Animat|Audio|Music|Speech|Prior|Decoder|Depth|Modular|Onnx|Flax|Variation|Superres|"
    "SuperResolution|ImageEncoder|InstructPix2Pix|Fill|Redux|Layered|Kontext|ImageGuided"
)
DRIVEN = {
    *("AltDiffusionPipeline", "AuraFlowPipeline", "BriaFiboPipeline", "BriaPipeline"),
    *("ChromaPipeline", "CogView3PlusPipeline", "CogView4Pipeline", "Cosmos2TextToImagePipeline"),
    *("ErnieImagePipeline", "Flux2KleinPipeline", "Flux2Pipeline", "FluxPipeline"),
    *("GlmImagePipeline", "HiDreamImagePipeline", "HunyuanDiTPAGPipeline", "HunyuanDiTPipeline"),
    *("HunyuanImagePipeline", "IFPipeline", "Ideogram4Pipeline", "Kandinsky3Pipeline"),
    *("Kandinsky5T2IPipeline", "Krea2Pipeline", "LatentConsistencyModelPipeline"),
    *("LongCatImagePipeline", "Lumina2Pipeline", "LuminaPipeline", "NucleusMoEImagePipeline"),
    *("OmniGenPipeline", "OvisImagePipeline", "PRXPipeline", "PixArtAlphaPipeline"),
    *("PixArtSigmaPAGPipeline", "PixArtSigmaPipeline", "QwenImagePipeline", "SanaPAGPipeline"),
    *("SanaPipeline", "StableDiffusion3PAGPipeline", "StableDiffusion3Pipeline"),
    *("StableDiffusionPAGPipeline", "StableDiffusionPipeline", "StableDiffusionXLPAGPipeline"),
    *("StableDiffusionXLPipeline", "ZImageOmniPipeline", "ZImagePipeline"),
    *("BriaFibo2Pipeline", "DreamLiteMobilePipeline", "DreamLitePipeline"),
    *("Flux2KleinKVPipeline", "LDMTextToImagePipeline", "PRXPixelPipeline"),
    *("QwenImage21Pipeline", "SanaSprintPipeline", "SemanticStableDiffusionPipeline"),
    *("StableDiffusionGLIGENPipeline", "StableDiffusionGLIGENTextImagePipeline"),
    *("StableDiffusionPanoramaPipeline", "StableDiffusionSAGPipeline", "UniDiffuserPipeline"),
    "AmusedPipeline",
}
REFUSED = {
    "KandinskyCombinedPipeline": "does not run one scheduler alone",
    "KandinskyPipeline": "needs image_embeds, negative_image_embeds",
    "KandinskyV22CombinedPipeline": "does not run one scheduler alone",
    "StableCascadeCombinedPipeline": "does not run one scheduler alone",
    "StableDiffusionAttendAndExcitePipeline": "needs token_indices",
    "StableDiffusionParadigmsPipeline": "leaves its steps to other pipelines",
    "StableDiffusionPix2PixZeroPipeline": "needs embeddings of what it is to edit",
    "StableUnCLIPPipeline": "does not run one scheduler alone",
    "StableDiffusionLDM3DPipeline": "makes pairs of image and depth",
    "UnCLIPPipeline": "takes no num_inference_steps",
    "CycleDiffusionPipeline": "needs source_prompt",
    "VersatileDiffusionTextToImagePipeline": "has no network called unet or transformer",
    "WuerstchenCombinedPipeline": "does not run one scheduler alone",
    "HeliosPyramidPipeline": "takes no num_inference_steps",
}
# Placeholders for what needs libraries that this project does not install, and bases of others.
# Those that make images of no text at all.
UNCONDITIONAL = {
    "DDIMPipeline",
    "DDPMPipeline",
    "KarrasVePipeline",
    "LDMPipeline",
    "PNDMPipeline",
}
# Those that are told a class, the first one if its network knows any.
OF_CLASSES = {"ConsistencyModelPipeline", "DiTPipeline"}
WITHOUT_PROMPTS = {
    "DanceDiffusionPipeline": "takes no output_type",
    "ScoreSdeVePipeline": "leaves its steps to other pipelines",
}
UNKNOWN = {
    *("KolorsPipeline", "KolorsPAGPipeline", "BlipDiffusionPipeline", "ConsisIDPipeline"),
    *("DiffusionPipeline", "SpectrogramDiffusionPipeline", "VersatileDiffusionPipeline"),
}
# What shows by its own arguments that it makes no image of a text.
NO_TEXT_TO_IMAGE = (
    *("refused: makes no single images", "refused: takes no prompt", "refused: needs image"),
    "refused: starts from an image",
)
# How flow pipelines hand noise levels over, as diffusers 0.42 has them.
ARRAY = Handed(sigmas="array", mu="always")
GIVES = {
    **dict.fromkeys(("ChromaPipeline", "Lumina2Pipeline", "Krea2Pipeline"), ARRAY),
    **dict.fromkeys(("QwenImagePipeline", "BriaFiboPipeline", "LongCatImagePipeline"), ARRAY),
    **dict.fromkeys(
        ("FluxPipeline", "Flux2Pipeline", "OvisImagePipeline"),
        Handed(sigmas="array", unless_flow=True, mu="always"),
    ),
    **dict.fromkeys(
        ("CogView4Pipeline", "GlmImagePipeline"),
        Handed(sigmas="array", timesteps=True, mu="always"),
    ),
    "HunyuanImagePipeline": Handed(sigmas="array"),
    "ZImagePipeline": Handed(sigmas="list", mu="always"),
    "Cosmos2TextToImagePipeline": Handed(sigmas="tensor"),
    "ErnieImagePipeline": Handed(sigmas="tensor"),
    "Ideogram4Pipeline": Handed(sigmas="list"),
    "StableDiffusion3Pipeline": Handed(mu="dynamic"),
    "StableDiffusionXLPipeline": Handed(),
    "PixArtSigmaPipeline": Handed(),
    "IFPipeline": Handed(),
    "HiDreamImagePipeline": SEVERAL,
    "BriaPipeline": SEVERAL,
}
FORM = {
    "AuraFlowPipeline": "standard",
    "ChromaPipeline": "separate",
    "CogView4Pipeline": "separate",
    "ConsistencyModelPipeline": "none",
    "Cosmos2TextToImagePipeline": "offset_above_1",
    "DiTPipeline": "separate",  # one batch, but the class's half first
    "Flux2Pipeline": "embedded",
    "HunyuanDiTPAGPipeline": "separate",
    "HunyuanDiTPipeline": "standard",
    "HunyuanImagePipeline": "none",
    "Kandinsky3Pipeline": "offset_above_1",
    "Krea2Pipeline": "offset",
    "Lumina2Pipeline": "separate",
    "LuminaPipeline": "separate",  # one batch, but the prompt's half first
    "PixArtSigmaPipeline": "standard",
    "SanaPAGPipeline": "separate",
    "SanaPipeline": "standard",
    "StableDiffusion3Pipeline": "standard",
    "StableDiffusionPAGPipeline": "separate",
    "StableDiffusionPipeline": "standard",
    "StableDiffusionSAGPipeline": "separate",  # its second call has another batch
    "StableDiffusionXLPipeline": "standard",
    "ZImagePipeline": "offset",
}


def text_to_image():
    names = [name for name in diffusers._class_to_module if name.endswith("Pipeline")]
    return sorted(name for name in names if not OTHERS.search(name))


def verdict(name):
    facts = facts_of(name)
    if facts is None:
        return "unknown"
    return f"refused: {facts.problem}" if facts.problem else "driven"


@pytest.mark.slow
def test_every_text_to_image_pipeline_is_driven_refused_with_reason_or_unknown():
    verdicts = {name: verdict(name) for name in text_to_image()}
    said = {name: text for name, text in verdicts.items() if text not in NO_TEXT_TO_IMAGE}
    assert said == {
        **dict.fromkeys(DRIVEN | UNCONDITIONAL | OF_CLASSES, "driven"),
        **{name: f"refused: {why}" for name, why in (REFUSED | WITHOUT_PROMPTS).items()},
        **dict.fromkeys(UNKNOWN, "unknown"),
    }


@pytest.mark.slow
def test_those_that_are_told_a_class_are_known_by_their_call():
    told = {name for name in text_to_image() if (facts := facts_of(name)) and facts.takes_classes}
    assert told == OF_CLASSES


def test_every_text_to_image_pipeline_of_the_automatic_one_is_known():
    mapping = diffusers.pipelines.auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    names = {cls.__name__ for cls in mapping.values()} & set(text_to_image())
    known = {name for name in names - UNKNOWN if verdict(name) not in NO_TEXT_TO_IMAGE}
    assert known <= DRIVEN | set(REFUSED)
    assert len(known) > 30


@pytest.mark.parametrize("name", GIVES)
def test_what_a_pipeline_gives_its_scheduler_is_read_off_its_source(name):
    assert facts_of(name).handed == GIVES[name]


@pytest.mark.parametrize("name", FORM)
def test_the_form_of_guidance_is_read_off_the_sum_that_a_pipeline_makes(name):
    assert form_of(name) == FORM[name]
    assert FORM[name] in FORMS


def test_a_form_that_a_source_does_not_show_by_itself_is_listed():
    assert read_form("LatentConsistencyModelPipeline") != "embedded"
    assert form_of("LatentConsistencyModelPipeline") == "embedded"


@pytest.mark.parametrize("name", ["Ideogram4Pipeline", "SemanticStableDiffusionPipeline", "Mine"])
def test_a_form_that_cannot_be_read_is_not_guessed(name):
    assert form_of(name) == ""


def model(pipeline, **config):
    text = json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler", **config})
    return FoundModel(Path(), "", "flow", 1000, text, pipeline_class=pipeline)


def able(pipeline, **config):
    flows = {n: s for n, s in SCHEDULERS.items() if s.kind == "flow"}
    return {name for name, spec in flows.items() if not refusal(model(pipeline, **config), spec)}


def test_schedulers_that_do_not_take_what_a_pipeline_gives_are_refused():
    everyone = {n for n, s in SCHEDULERS.items() if s.kind == "flow"}
    assert able("StableDiffusion3Pipeline", shift=3.0) == everyone
    assert able("AuraFlowPipeline", shift=1.7) == everyone
    assert "flow_euler" not in able("AuraFlowPipeline", use_dynamic_shifting=True)
    assert "flow_euler" in able("HiDreamImagePipeline", use_dynamic_shifting=True)
    dynamic = able("ChromaPipeline", use_dynamic_shifting=True)
    assert "flow_euler" in dynamic
    assert not {"flow_heun", "flow_dpmpp_2m", "flow_deis"} & dynamic
    assert able("CogView4Pipeline", use_dynamic_shifting=True) == {"flow_euler", "flow_euler_sde"}
    assert able("HiDreamImagePipeline", shift=3.0) == {"flow_euler", "flow_euler_sde"}


def test_a_pipeline_that_does_not_scale_its_states_runs_schedulers_that_need_no_scaling():
    config = json.dumps({"_class_name": "DDPMScheduler"})
    kandinsky = FoundModel(
        Path(), "", "diffusion", 1000, config, pipeline_class="Kandinsky3Pipeline"
    )
    assert not refusal(kandinsky, SCHEDULERS["ddpm"])
    assert "does not scale what its network sees" in refusal(kandinsky, SCHEDULERS["euler"])
    assert "gives each step generator, which this scheduler" in refusal(
        kandinsky, SCHEDULERS["unipc"]
    )
