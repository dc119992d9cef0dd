"""A Python function as a model: whatever you can write down, batch in, one output per row out.

Deploys to the stack that runs here; start it with `make up`. Another Skysail: quickstart_function.py URL QUERY_URL
"""

import sys
from collections.abc import Iterable
from contextlib import suppress

from skysail_admin import AlreadyExistsError, Skysail

WORDS = {"good": 1, "great": 2, "bad": -1, "awful": -2}


def mood(texts: Iterable[str]) -> list[int]:
    """The function travels with everything it refers to, `WORDS` here."""
    return [sum(WORDS.get(word, 0) for word in text.lower().split()) for text in texts]


def main() -> None:
    with Skysail(*sys.argv[1:]) as skysail:
        print("tried here:", skysail.test_predict_function({"input": "a great day"}, mood, "strings"))
        with suppress(AlreadyExistsError):
            skysail.register_application("mood", "strings", default_output=0, slo_ms=50)
        skysail.deploy_model("mood", 1, "strings", mood)
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("mood", "mood")
        print("served:", skysail.predict("mood", "a great day with awful coffee").output)


if __name__ == "__main__":
    main()
