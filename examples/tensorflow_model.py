"""A Keras model, deployed to the stack that runs here: train, deploy, link, ask; and saved once more as a SavedModel.

Run it as often as you like: what is there already stays as it is. Another Skysail: tensorflow_model.py URL QUERY_URL
"""

import sys
from contextlib import suppress

import keras
from sklearn.datasets import load_digits

from skysail_admin import AlreadyExistsError, Skysail


def main() -> None:
    keras.utils.set_random_seed(0)
    images, digits = load_digits(return_X_y=True)
    layers = [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((64,), name="pixels"), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[:1500], digits[:1500], epochs=20, verbose=0)
    model.export("digits-saved", verbose=False)

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("digits-keras", "floats", default_output=[], slo_ms=1000)
        skysail.deploy_model("digits-keras", 1, "floats", model)
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("digits-keras", "digits-keras")

        answer = skysail.predict("digits-keras", images[1600])
        print(f"a {answer.output.index(max(answer.output))} is seen, it is a {digits[1600]}")


if __name__ == "__main__":
    main()
