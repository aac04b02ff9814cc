"""How a race stands in words, from its record alone. Standard library only."""

from collections.abc import Iterator

from denoisebench.bench.records.race import RaceRecord


def race_lines(race: RaceRecord, several: bool) -> Iterator[str]:
    """Says what the last rung brought, and at the end who won.

    several: whether there are other races, so that each line names its group.
    """
    rung, cells = race.rungs[-1], race.cells
    group = f"{race.group}: " if several else ""
    images, images_of_fixed_design = sum(race.drawn), race.asked_samples * len(cells)
    yield (
        f"{group}{rung.samples} samples: {len(rung.live)} of {len(cells)} cells go on, "
        f"{len(cells) - len(rung.live)} stopped; {images:,} images so far, "
        f"{images_of_fixed_design:,} by a fixed design"
    )
    if not race.over:
        return
    for trial in race.trials:
        fresh_samples = trial.last - trial.first
        if fresh_samples:
            winner = cells[trial.winner].name
            yield f"{group}{winner} on {fresh_samples} fresh samples: {trial.outcome}"
    subject = "no cell is proven" if race.winner is None else f"{cells[race.winner].name} is"
    yield f"{group}{race.choice.outcome}: {subject} within all margins"
