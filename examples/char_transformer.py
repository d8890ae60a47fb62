"""Train a tiny transformer on one text, letter by letter, until it knows it by heart; then package it and let it speak.

It needs ``pip install '.[examples]'``, in a clone. It writes the model to ``speaker.mpkg`` in the working directory.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import trange

import metalpy as mp
from metalpy import nn, optim

TEXT = (
    "A kernel is a function that many threads run at once. Each thread knows its place in the grid, and does the same "
    "work on another element. Threads of a simdgroup go in step; threads of a threadgroup share memory and meet at "
    "barriers. What looks like a loop on paper is a grid on the device."
)
CONTEXT = 32  # letters that the model looks back
WIDTH, HEADS, LAYERS = 64, 4, 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiHeadAttention(WIDTH, HEADS)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.norm1(x), is_causal=True)
        return x + self.mlp(self.norm2(x))


class Speaker(nn.Module):
    def __init__(self, letters):
        super().__init__()
        self.letters = nn.Embedding(letters, WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = [Block() for _ in range(LAYERS)]
        self.norm = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, letters)

    def forward(self, x):
        """Scores of the letter that follows each of the letters ``x``, of shape (N, CONTEXT)."""
        h = self.letters(x) + self.places.weight
        for block in self.blocks:
            h = block(h)
        return self.out(self.norm(h))


def train(model, codes, steps, seed):
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)

    def loss_of(model, x, y):
        scores = model(x)
        return nn.functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))

    loss_and_gradients = mp.value_and_grad(loss_of)
    rng = np.random.default_rng(seed)
    with trange(steps, desc="training", unit="step") as progress:
        for step in progress:
            starts = rng.integers(0, len(codes) - CONTEXT, 32)[:, None] + np.arange(CONTEXT)
            loss, gradients = loss_and_gradients(model, mp.array(codes[starts]), mp.array(codes[starts + 1]))
            gradients, _ = optim.clip_grad_norm(gradients, 1.0)
            optimizer.step(gradients)
            if step % 20 == 19:
                progress.set_postfix(loss=f"{loss.item():.3f}")
    return loss.item()


def speak(scores_of, codes, length):
    """Goes on with the text after its first letters, always with the likeliest letter."""
    spoken = list(codes[:CONTEXT])
    while len(spoken) < length:
        scores = scores_of(mp.array(np.array([spoken[-CONTEXT:]], np.int32)))
        spoken.append(int(scores.numpy()[0, -1].argmax()))
    return spoken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    alphabet = sorted(set(TEXT))
    codes = np.array([alphabet.index(letter) for letter in TEXT], np.int32)
    mp.mps.manual_seed(arguments.seed)
    model = Speaker(len(alphabet))
    loss = train(model, codes, arguments.steps, arguments.seed)

    model.eval()
    spoken = speak(model, codes, len(TEXT))
    text = "".join(alphabet[code] for code in spoken)
    print(text)
    same = np.mean([a == b for a, b in zip(text, TEXT, strict=True)])
    print(f"loss {loss:.3f}, {same:.1%} of the letters are the text's")

    mp.aot.package("speaker.mpkg", model, (mp.array(codes[None, :CONTEXT]),))
    runner = mp.aot.ModelContainerRunner("speaker.mpkg", num_models=8)
    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(lambda _: speak(lambda x: runner.run([x])[0], codes, CONTEXT + 40), range(8)))
    print(f"served from 8 threads, all answers equal: {all(text == spoken[: CONTEXT + 40] for text in served)}")


if __name__ == "__main__":
    main()
