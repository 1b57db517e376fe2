"""The response surface: a Bayesian quadratic fit around the trunk, from which plausible worlds can be drawn.

Response surfaces are from Box and Wilson (1951); drawing a world and acting as if it were true is Thompson sampling
(1933), here for a linear model (Agrawal and Goyal 2013) in the dual form of a Gaussian process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is believed before any trial, per coordinate: slope and its deviation, bend and the bends' deviation.

    `bend` is the expected second-order coefficient; `curl` scales the deviation of all second-order coefficients,
    products of two coordinates included. Coordinates with `graded` zero (deletions and such) have no second order.
    """

    slope: Array
    slope_sd: Array
    bend: Array
    curl: float
    graded: Array
    offset_sd: float


@dataclass(frozen=True, slots=True)
class World:
    """One quadratic response: `offset` at the trunk, slopes, and second-order coefficients of graded coordinates."""

    offset: float
    slope: Array
    second: Array

    def __call__(self, x: Array) -> Array:
        """The response at each row of `x`."""
        result: Array = self.offset + x @ self.slope + ((x @ self.second) * x).sum(axis=1)
        return result


class Surface:
    """A fit of `y` (n) at points `x` (n, p) relative to the trunk, each with its noise deviation (n)."""

    def __init__(self, shape: Shape, x: Array, y: Array, noise: Array) -> None:
        self._shape = shape
        self._x = x
        self._noise = noise
        self._weights = shape.slope_sd**2
        self._moved = np.flatnonzero(x.any(axis=0))  # other coordinates carry nothing, and cost time
        self._curled = self._weights * shape.graded
        self._factor = cho_factor(self._kernel(x) + np.diag(noise**2 + 1e-9), lower=True) if len(x) else None
        self._residual = y - self._expected(x)

    def draw(self, rng: np.random.Generator) -> World:
        """A world that agrees with the trials as well as chance allows (Matheron's rule)."""
        shape, p = self._shape, len(self._shape.slope)
        offset = shape.offset_sd * rng.standard_normal()
        slope = shape.slope_sd * rng.standard_normal(p)
        sd = shape.slope_sd * shape.graded
        raw = np.zeros((p, p))
        graded = np.flatnonzero(sd)
        raw[np.ix_(graded, graded)] = rng.standard_normal((len(graded), len(graded)))
        second = shape.curl * raw * sd[:, None] * sd[None, :]
        if self._factor is not None:
            prior = offset + self._x @ slope + ((self._x @ second) * self._x).sum(axis=1)
            error = self._noise * rng.standard_normal(len(self._x))
            return self._updated(self._residual - prior - error, offset, slope, second)
        return self._updated(np.zeros(0), offset, slope, second)

    def mean(self) -> World:
        """The world as expected."""
        p = len(self._shape.slope)
        return self._updated(self._residual, 0.0, np.zeros(p), np.zeros((p, p)))

    def deviation(self, x: Array) -> Array:
        """The standard deviation of the response at each row of `x`, measurement noise not included."""
        own = self._shape.offset_sd**2 + (x**2) @ self._weights + self._shape.curl**2 * ((x**2) @ self._curled) ** 2
        if self._factor is None:
            alone: Array = np.sqrt(own)
            return alone
        cross = self._kernel(x)
        explained = (cross * cho_solve(self._factor, cross)).sum(axis=0)
        left: Array = np.sqrt(np.maximum(own - explained, 1e-12))
        return left

    def _updated(self, gap: Array, offset: float, slope: Array, second: Array) -> World:
        shape = self._shape
        if self._factor is not None:
            alpha = cho_solve(self._factor, gap)
            offset = offset + shape.offset_sd**2 * float(alpha.sum())
            slope = slope + self._weights * (self._x.T @ alpha)
            scaled = (self._x * self._curled)[:, self._moved]
            learned = np.zeros_like(second)
            learned[np.ix_(self._moved, self._moved)] = scaled.T @ (alpha[:, None] * scaled)
            second = second + shape.curl**2 * learned
        return World(offset, slope + shape.slope, second + np.diag(shape.bend))

    def _kernel(self, x: Array) -> Array:
        """The prior covariance of the response at the fitted points with that at each row of `x`."""
        rows, other = self._x[:, self._moved], x[:, self._moved].T
        bent = (rows * self._curled[self._moved]) @ other
        result: Array = self._shape.offset_sd**2 + (rows * self._weights[self._moved]) @ other
        return result + (self._shape.curl * bent) ** 2

    def _expected(self, x: Array) -> Array:
        result: Array = x @ self._shape.slope + (x**2) @ self._shape.bend
        return result
