"""Scheduler classes of diffusers that are not in the catalogue, and why: data."""

# Each takes the very steps of a class of the catalogue, from which it differs in a method that
# only pipelines of ParaDiGMS call.
SAME_STEPS = {
    "DDIMParallelScheduler": "DDIMScheduler",
    "DDPMParallelScheduler": "DDPMScheduler",
}
_TOKENS = "draws tokens, not states with noise"
_INVERSE = "runs from an image to noise; nothing is generated"
NOT_RUN = {
    "AmusedScheduler": _TOKENS,
    "BlockRefinementScheduler": _TOKENS,
    "CogVideoXDDIMScheduler": (
        "DDIM's steps on CogVideoX's own noise schedule; scheduler=ddim takes the schedule of a "
        "CogVideoX model from its config"
    ),
    "CogVideoXDPMScheduler": (
        "step wants the estimate and the timestep before, which only CogVideoX's pipeline hands "
        "over"
    ),
    "CosineDPMSolverMultistepScheduler": (
        "for Stable Audio, whose timesteps are arctangents of sigma and whose network no family "
        "here is; some of its runs do not end"
    ),
    "DDIMInverseScheduler": _INVERSE,
    "DDIMParallelScheduler": "the same steps as DDIMScheduler: use scheduler=ddim",
    "DDPMParallelScheduler": "the same steps as DDPMScheduler: use scheduler=ddpm",
    "DDPMWuerstchenScheduler": "for Wuerstchen alone: timesteps are shares of a cosine of its own",
    "DPMSolverMultistepInverseScheduler": _INVERSE,
    "DiscreteDDIMScheduler": _TOKENS,
    "EntropyBoundScheduler": _TOKENS,
    "FlowMapEulerDiscreteScheduler": (
        "for networks that are told the timestep to go to as well; on others it is flow_euler"
    ),
    "HeliosDMDScheduler": "for Helios alone: stages of growing size, which its pipeline walks",
    "HeliosScheduler": "for Helios alone: stages of growing size, which its pipeline walks",
    "IPNDMScheduler": (
        "timesteps lie in [0, 1] on a schedule of sines; a network trained on 1000 timesteps is "
        "told another noise level"
    ),
    "KarrasVeScheduler": "step wants two sigmas, which a pipeline that is gone handed over",
    "LTXEulerAncestralRFScheduler": (
        "leaves out the shift of a model's config, so that it is no drop-in; its levels are those "
        "that LTX's pipeline hands over"
    ),
    "MiniMaxH3Scheduler": (
        "for MiniMax-H3, which is told the time from noise 0 to data 1; makes one step fewer than "
        "asked"
    ),
    "PiflowScheduler": "for Kandinsky 6, whose network gives several predictions a channel",
    "RFD4ProteinaScheduler": "for proteins, of two modalities with a schedule each",
    "RePaintScheduler": "step wants an image and a mask; task=inpaint runs other schedulers",
    "SCMScheduler": "for Sana-Sprint alone: angles for timesteps, two steps",
    "ScoreSdeVeScheduler": "has a predictor and a corrector in place of step",
    "UnCLIPScheduler": "for unCLIP alone; diffusers says to use DDPM in its place",
    "VQDiffusionScheduler": _TOKENS,
}
