"""The worlds by name, and the arguments that every training takes."""

import argparse

from zoo.data import SHAPES, World
from zoo.fashion import FASHION

WORLDS = {world.name: world for world in (SHAPES, FASHION)}


def parsed_arguments(description: str | None) -> tuple[World, str]:
    """The world and the device that the command line asks for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--world", choices=WORLDS, default="shapes")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    return WORLDS[arguments.world], arguments.device
