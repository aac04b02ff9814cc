"""Scheduler configs as models usually have them."""

# What models usually have: Stable Diffusion's and Stable Diffusion 3's.
USUAL = {
    "diffusion": {
        "num_train_timesteps": 1000,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "flow": {"num_train_timesteps": 1000, "shift": 3.0},
    "edm": {},
    "consistency": {},
}
