"""Train a small convolutional network on scikit-learn's handwritten digits, then package it and serve it.

It needs ``pip install '.[examples]'``, in a clone. It writes the curve of the loss to ``train_digits.png`` and the
model to ``digits.mpkg``, both in the working directory, and says what share of unseen digits it gets right.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from tqdm import trange

import metalpy as mp
from metalpy import nn, optim

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TEST_DIGITS = 360
BATCH = 64


def data(seed):
    """Images of shape (N, 1, 8, 8) and their digits: those to learn, then those to test."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.images))
    images = (digits.images[order, None] / 16).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    return images[TEST_DIGITS:], labels[TEST_DIGITS:], images[:TEST_DIGITS], labels[:TEST_DIGITS]


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(64, 10),
    )  # fmt: skip


def train(model, images, labels, epochs, seed):
    """The loss of each step."""
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)
    loss_and_gradients = mp.value_and_grad(lambda model, x, y: nn.functional.cross_entropy(model(x), y))
    images, labels = mp.array(images), mp.array(labels)
    rng = np.random.default_rng(seed)
    losses = []
    with trange(epochs, desc="training", unit="epoch") as progress:
        for _ in progress:
            order = mp.array(rng.permutation(len(images)))
            for start in range(0, len(images), BATCH):
                chosen = order[start : start + BATCH]
                loss, gradients = loss_and_gradients(model, images[chosen], labels[chosen])
                optimizer.step(gradients)
                losses.append(loss)
            progress.set_postfix(loss=f"{losses[-1].item():.3f}")
    return [loss.item() for loss in losses]


def plot(losses, path):
    plt.figure(figsize=(6, 4))
    plt.semilogy(losses)
    plt.xlabel("step")
    plt.ylabel("cross entropy")
    plt.title("Handwritten digits")
    plt.tight_layout()
    plt.savefig(path)


def serve(path, images, threads=8):
    """Answers of the packaged model, asked from several threads at once; one image a question."""
    runner = mp.aot.ModelContainerRunner(path, num_models=threads)
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda image: runner.run([mp.array(image[None])])[0].numpy()[0], images)
        return np.stack(list(answers))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    mp.mps.manual_seed(arguments.seed)
    train_images, train_labels, test_images, test_labels = data(arguments.seed)
    model = network()
    losses = train(model, train_images, train_labels, arguments.epochs, arguments.seed)
    plot(losses, "train_digits.png")

    model.eval()
    direct = np.concatenate([model(mp.array(image[None])).numpy() for image in test_images])
    right = (direct.argmax(axis=1) == test_labels).mean()
    print(f"{right:.1%} of {len(test_labels)} unseen digits are right")

    mp.aot.package("digits.mpkg", model, (mp.array(test_images[:1]),))
    served = serve("digits.mpkg", test_images)
    print(f"served from 8 threads, all answers equal: {np.array_equal(served, direct)}")


if __name__ == "__main__":
    main()
