"""A model over tables: what a ride costs. One row of the frame is one query; the tip may be unknown."""

import csv
from pathlib import Path

import pandas as pd

from skysail_container.model_folder import DataFrameModel


class Fares(DataFrameModel):
    """Fares by zone, from the file beside this one."""

    def __init__(self, folder: Path) -> None:
        with (folder / "zones.csv").open() as lines:
            self.per_km = {row["zone"]: float(row["per_km"]) for row in csv.DictReader(lines)}

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The fare, and how it is called; `tip` is NaN where the query has none."""
        fare = frame["distance_km"] * frame["zone"].map(self.per_km) + frame["tip"].fillna(0.0)
        return pd.DataFrame({"fare": fare, "is_long": frame["distance_km"] > 20})
