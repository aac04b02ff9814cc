"""Cells of models that a service runs: points without steps or scheduler, and with a price."""

import pandas as pd

from denoisebench.bench.records.cell import SERVICE
from denoisebench.bench.records.names import describe
from denoisebench.reports.rows.frame import records

_HOUR_S = 3600.0


def of_services(frame: pd.DataFrame) -> pd.Series:
    """Whether a service made the images, by row."""
    return frame["engine"] == SERVICE


def with_services_named(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the model, and what is unusual of its options, where a service's scheduler is
    not known: what names a curve."""
    rows = zip(of_services(frame), records(frame), strict=True)
    names = [
        describe(row, ("model", "options")) if is_so else row["scheduler"] for is_so, row in rows
    ]
    return frame.assign(scheduler=names)


def with_prices(frame: pd.DataFrame, usd_per_hour: float | None) -> pd.DataFrame:
    """The frame with what an image costs on a machine of that price, where it was timed; services
    have prices of their own."""
    if usd_per_hour is None:
        return frame
    rented = frame["latency_p50_s"] * usd_per_hour / _HOUR_S
    return frame.assign(price_usd=frame["price_usd"].fillna(rented))


def in_each_panel(frame: pd.DataFrame, alone: str) -> pd.DataFrame:
    """The frame with the cells of services in every panel of the others, as no setting of theirs
    is that of one panel. alone: their panel where there are no others."""
    is_so = of_services(frame)
    panels = frame.loc[~is_so, "panel"].unique() if not is_so.all() else [alone]
    copies = [frame[is_so].assign(panel=panel) for panel in panels]
    return pd.concat([frame[~is_so], *copies], ignore_index=True)
