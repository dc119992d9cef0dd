"""An ONNX model, deployed to the stack that runs here: train, convert, deploy, link, ask.

Run it as often as you like: what is there already stays as it is. Another Skysail: onnx_model.py URL QUERY_URL
"""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from skysail_admin import AlreadyExistsError, Skysail


def main() -> None:
    images, digits = load_digits(return_X_y=True)
    network = MLPClassifier((64,), max_iter=400, random_state=0).fit(images[:1500], digits[:1500])
    model = to_onnx(network, images[:1].astype(np.float32), options={"zipmap": False})
    Path("digits.onnx").write_bytes(model.SerializeToString())

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("digits-onnx", "floats", default_output=-1, slo_ms=1000)
        skysail.deploy_model("digits-onnx", 1, "floats", "digits.onnx", outputs=["label"])
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("digits-onnx", "digits-onnx")

        answer = skysail.predict("digits-onnx", images[1600])
        print(f"a {answer.output} is seen, it is a {digits[1600]}")


if __name__ == "__main__":
    main()
