"""The composed config as types: ranges, no unknown keys, a cure with each problem."""
