"""Items that go with others: association rules among frequent sets of them."""

from dataclasses import dataclass
from typing import Any, Self

from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VOID, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["FPGrowthModel", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Who has all of the one has, as a rule, the other too."""

    antecedent: frozenset[Any]
    consequent: Any


@spark_stage(
    "org.apache.spark.ml.fpm.FPGrowthModel",
    parameters={"itemsCol": "items", "predictionCol": "prediction", "minConfidence": 0.8},
    training=("minSupport", "numPartitions"),
    exactness="exact as a set: the order of the items is the files', in Spark it depends on partitions",
)
@dataclass(frozen=True)
class FPGrowthModel(Stage):
    """The items that rules add to a set. Source: org.apache.spark.ml.fpm.{FPGrowthModel, AssociationRules}."""

    uid: str
    items_column: str
    prediction_column: str
    rules: tuple[Rule, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        least = float(folder.required("minConfidence"))
        frequencies = {tuple(row["items"]): int(row["freq"]) for row in folder.rows()}
        return cls(
            folder.uid, folder.required("itemsCol"), folder.required("predictionCol"), _rules(frequencies, least)
        )

    def bind(self, schema: Schema) -> Bound:
        found = schema.column(self.uid, self.items_column)
        if found.element is None and found.type != VOID:
            raise self.error(f"an array is expected, this is {found.type}", column=self.items_column)
        starts = _by_first_item(self.rules)

        def score(row: Row) -> None:
            items = row[self.items_column]
            if not items:
                row[self.prediction_column] = []
                return
            has = frozenset(items)
            consequents = sorted(
                (number, rule.consequent)
                for item in has
                for number, rule in starts.get(item, ())
                if rule.consequent not in has and rule.antecedent <= has
            )
            row[self.prediction_column] = list(dict.fromkeys(consequent for _, consequent in consequents))

        return Bound(schema.with_output(self.uid, self.prediction_column, found.type), score)


def _rules(frequencies: dict[tuple[Any, ...], int], least: float) -> tuple[Rule, ...]:
    """One rule for each item of each frequent set, if the others are seldom without it."""
    rules = []
    for items, together in frequencies.items():
        for item in items:
            others = tuple(other for other in items if other != item)
            alone = frequencies.get(others)
            if others and alone is not None and together / alone >= least:
                rules.append(Rule(frozenset(others), item))
    return tuple(rules)


def _by_first_item(rules: tuple[Rule, ...]) -> dict[Any, list[tuple[int, Rule]]]:
    """Numbered rules by one item of their antecedents, so that a row looks only at rules that may hold."""
    n_rules: dict[Any, int] = {}
    for rule in rules:
        for item in rule.antecedent:
            n_rules[item] = n_rules.get(item, 0) + 1
    starts: dict[Any, list[tuple[int, Rule]]] = {}
    for number, rule in enumerate(rules):
        rarest = min(rule.antecedent, key=lambda item: n_rules[item])
        starts.setdefault(rarest, []).append((number, rule))
    return starts
