"""What PAT has to be compared with: simple ways to fill in hidden minutes. Most of them beat it on little data.

Every filler takes scaled weeks, (n, 10080), with NaN where a minute is hidden or missing, and returns them filled.
None of them is PAT, and none may be called so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity_server.pat.depresjon import DAY_MINUTES, WEEK_DAYS
from clarity_server.pat.shapes import WINDOW_MINUTES, exact_div

PROFILE_MINUTES = 60
PATCH_MINUTES = 18
SLOTS = exact_div(DAY_MINUTES, PATCH_MINUTES)  # 80 patches a day
PATCHES = exact_div(WINDOW_MINUTES, PATCH_MINUTES)  # 560
SMOOTHING_MINUTES = 30
SHRINKAGE = 0.5
EIGENVALUE_MIN = 1e-3
NOISE = 0.02
TINY = 1e-9  # what weighs less is nothing

Weeks = NDArray[np.floating]
Filled = NDArray[np.float64]


def zero(weeks: Weeks) -> Filled:
    """Fill with the mean of everybody."""
    return np.where(np.isnan(weeks), 0.0, weeks)


def previous_day(weeks: Weeks) -> Filled:
    """Fill with the same minute of the day before; where that is hidden too, with the mean of everybody."""
    before = np.full_like(weeks, np.nan)
    before[:, DAY_MINUTES:] = weeks[:, :-DAY_MINUTES]
    return np.where(np.isnan(weeks), zero(before), weeks)


def own_profile(weeks: Weeks) -> Filled:
    """Fill with the person's own mean of the visible minutes around that time of day, by a bell of 60 minutes."""
    days = weeks.reshape(-1, WEEK_DAYS, DAY_MINUTES)
    known = np.isfinite(days)
    sums, counts = np.where(known, days, 0.0).sum(axis=1), known.sum(axis=1)  # (n, 1440)
    around = _around(sums) / np.maximum(_around(counts), TINY)
    return np.where(known, days, around[:, None]).reshape(weeks.shape)


def _around(profile: NDArray[np.floating] | NDArray[np.integer]) -> Filled:
    """Weigh the minutes around every minute of the day, (n, 1440), over midnight."""
    bell = np.fft.rfft(_bell(DAY_MINUTES, PROFILE_MINUTES))
    return np.fft.irfft(np.fft.rfft(profile, axis=1) * bell, DAY_MINUTES, axis=1)


def _bell(steps: int, width: float) -> Filled:
    """A Gaussian around step 0 of a day, over midnight, (steps,); `width` is its standard deviation in steps."""
    apart = np.minimum(np.arange(steps), steps - np.arange(steps))
    bell = np.exp(-0.5 * (apart / width) ** 2)
    weights: Filled = bell / bell.sum()
    return weights


def interpolated(weeks: Weeks) -> Filled:
    """Fill each hidden patch with the line between the means of the visible patches next to it."""
    means = patch_means(weeks)  # (n, 560)
    index = np.arange(PATCHES)
    lines = [np.interp(index, index[seen], row[seen]) for row, seen in zip(means, np.isfinite(means), strict=True)]
    return np.where(np.isnan(weeks), np.repeat(np.stack(lines), PATCH_MINUTES, axis=1), weeks)


def patch_means(weeks: Weeks) -> Filled:
    """Returns the mean of every patch, (n, 560); NaN where no minute of it is known."""
    patches = weeks.reshape(len(weeks), PATCHES, PATCH_MINUTES)
    known = np.isfinite(patches)
    count = known.sum(axis=2)
    sums = np.where(known, patches, 0.0).sum(axis=2)
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class LinearGaussian:
    """A rhythm model: patches of a week as one Gaussian, hidden ones by conditioning on the visible."""

    mean: Filled  # (560,)
    covariance: Filled  # (560, 560)

    def __call__(self, weeks: Weeks) -> Filled:
        """Fill each hidden patch with its mean given the visible ones."""
        means = patch_means(weeks)
        patches = np.stack([self._conditioned(row) for row in means])
        return np.where(np.isnan(weeks), np.repeat(patches, PATCH_MINUTES, axis=1), weeks)

    def _conditioned(self, row: Filled) -> Filled:
        seen = np.isfinite(row)
        among = self.covariance[np.ix_(seen, seen)] + NOISE * np.eye(int(seen.sum()))
        weights = np.linalg.solve(among, row[seen] - self.mean[seen])
        return np.where(seen, row, self.mean + self.covariance[:, seen] @ weights)


def fit_linear_gaussian(people: list[NDArray[np.float32]]) -> LinearGaussian:
    """Fit it to scaled days of people, each (days, 1440): the covariance of the 80 daily slots by day lag 0 … 6.

    Lags from 1 on are smoothed over 30 minutes, all are shrunk by half towards the stationary covariance, and the
    eigenvalues of the whole are floored.
    """
    days = [_slot_means(counts) for counts in people]  # (days, 80) each
    profile = np.nanmean(np.concatenate(days), axis=0)  # (80,)
    rest = [np.nan_to_num(one - profile) for one in days]
    lags = [_lagged(rest, lag) for lag in range(WEEK_DAYS)]
    lags = [lags[0], *(_smoothed(one) for one in lags[1:])]
    blocks = [[lags[b - a] if b >= a else lags[a - b].T for b in range(WEEK_DAYS)] for a in range(WEEK_DAYS)]
    own = np.block(blocks)  # (560, 560)
    shrunk = (1 - SHRINKAGE) * own + SHRINKAGE * _stationary(own)
    values, vectors = np.linalg.eigh((shrunk + shrunk.T) / 2)
    covariance = vectors * np.maximum(values, EIGENVALUE_MIN) @ vectors.T
    return LinearGaussian(np.tile(profile, WEEK_DAYS), covariance)


def _slot_means(days: NDArray[np.float32]) -> Filled:
    patches = days.reshape(len(days), SLOTS, PATCH_MINUTES).astype(np.float64)
    known = np.isfinite(patches)
    count = known.sum(axis=2)
    means = np.where(known, patches, 0.0).sum(axis=2) / np.maximum(count, 1)
    return np.where(count > 0, means, np.nan)


def _lagged(days: list[Filled], lag: int) -> Filled:
    """The mean product of the slots of a day and those of `lag` days later, (80, 80)."""
    pairs = [one[: len(one) - lag].T @ one[lag:] for one in days if len(one) > lag]
    count = sum(len(one) - lag for one in days if len(one) > lag)
    found: Filled = np.sum(pairs, axis=0) / count
    return np.asarray((found + found.T) / 2 if lag == 0 else found)


def _smoothed(covariance: Filled) -> Filled:
    """Smooth over 30 minutes of both times of day, over midnight."""
    bell = _bell(SLOTS, SMOOTHING_MINUTES / PATCH_MINUTES)
    kernel = np.stack([np.roll(bell, slot) for slot in range(SLOTS)])  # (80, 80)
    smooth: Filled = kernel @ covariance @ kernel.T
    return smooth


def _stationary(covariance: Filled) -> Filled:
    """Make it a function of the time between two patches alone: the mean of every diagonal."""
    means = np.array([np.diagonal(covariance, apart).mean() for apart in range(PATCHES)])
    index = np.arange(PATCHES)
    found: Filled = means[np.abs(index[:, None] - index[None, :])]
    return found
