"""A PyTorch module as an exported program, deployed to the stack that runs here: train, export, deploy, link, ask.

The stack's environment needs PyTorch: pip install 'skysail-container[pytorch]'. Another Skysail: pytorch_model.py URL
QUERY_URL
"""

import sys
from contextlib import suppress

import torch
from sklearn.datasets import load_digits

from skysail_admin import AlreadyExistsError, Skysail


def trained(images: torch.Tensor, digits: torch.Tensor) -> torch.nn.Module:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(images), digits).backward()
        optimizer.step()
    return module.eval()


def main() -> None:
    pixels, labels = load_digits(return_X_y=True)
    images, digits = torch.tensor(pixels, dtype=torch.float32), torch.tensor(labels)
    module = trained(images[:1500], digits[:1500])
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (images[:2],), dynamic_shapes=({0: batch},))

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("digits-torch", "floats", default_output=[], slo_ms=1000)
        skysail.deploy_model("digits-torch", 1, "floats", program)
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("digits-torch", "digits-torch")

        answer = skysail.predict("digits-torch", pixels[1600])
        print(f"a {answer.output.index(max(answer.output))} is seen, it is a {labels[1600]}")


if __name__ == "__main__":
    main()
