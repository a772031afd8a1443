"""The fitted part of a regressor: plain arrays, so that loading an artefact runs no code of any library.

[core]
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron, ReLU between its layers: of each the weights (in, out) and the biases (out,)."""

    layers: tuple[tuple[Floats, Floats], ...]

    def predict(self, rows: Floats) -> Floats:
        """(n, 2048) embeddings to (n,) grades."""
        *hidden, (last, bias) = self.layers
        for weights, biases in hidden:
            rows = np.maximum(rows @ weights + biases, 0)
        return np.asarray(rows @ last + bias).ravel()

    def arrays(self) -> Arrays:
        return {
            f"{name}{n}": part for n, layer in enumerate(self.layers) for name, part in zip("wb", layer, strict=True)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(tuple((arrays[f"w{n}"], arrays[f"b{n}"]) for n in range(len(arrays) // 2)))


@dataclass(frozen=True)
class Head:
    """A linear function of a face's pooled embedding, plus one of k waves over it: intercept + x w + cos(x f + p) v.

    The waves (random Fourier features, Rahimi and Recht 2007) stand for a Gaussian kernel without keeping anybody's
    embedding. weights (d,), intercept (1,), frequencies (d, k), phases (k,), amplitudes (k,); k may be 0.
    """

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    frequencies: Floats
    phases: Floats
    amplitudes: NDArray[np.float64]

    def predict(self, rows: Floats) -> NDArray[np.float64]:
        """(n, d) pooled embeddings to (n,) grades."""
        linear: NDArray[np.float64] = rows.astype(np.float64) @ self.weights + self.intercept
        return linear + waves(rows, self.frequencies, self.phases) @ self.amplitudes

    def arrays(self) -> Arrays:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(**arrays)


KINDS: dict[str, type[Network] | type[Head]] = {"network": Network, "head": Head}


def waves(rows: Floats, frequencies: Floats, phases: Floats) -> Floats:
    """(n, d) pooled embeddings to (n, k), each from -1 to 1."""
    waved: Floats = np.cos(rows.astype(np.float32) @ frequencies + phases)
    return waved
