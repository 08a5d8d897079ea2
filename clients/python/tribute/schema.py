"""Schemas: names and ranges of the features, and classes of the target."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from eth_utils import keccak

from .errors import BadQuery


@dataclass(frozen=True)
class Schema:
    """A schema, held as its canonical JSON; its id is the digest of exactly these bytes."""

    canonical: str

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        return json.loads(self.canonical)

    @property
    def id(self) -> bytes:
        """keccak256 of the canonical JSON."""
        return keccak(self.canonical.encode())

    @property
    def name(self) -> str:
        return self._fields["name"]

    @property
    def features(self) -> list[str]:
        """Names of the features, in order."""
        return [feature["name"] for feature in self._fields["features"]]

    @property
    def lo(self) -> npt.NDArray[np.float64]:
        """For each feature, the value of step 0."""
        return np.array([feature["lo"] for feature in self._fields["features"]], dtype=np.float64)

    @property
    def hi(self) -> npt.NDArray[np.float64]:
        """For each feature, the value of step 255."""
        return np.array([feature["hi"] for feature in self._fields["features"]], dtype=np.float64)

    @property
    def classes(self) -> list[str] | None:
        """Class labels in the order of their numbers; None if the target is a real value."""
        target = self._fields["target"]
        return list(target["classes"]) if "classes" in target else None

    def quantise(self, values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Rounds features to the 256 steps of their ranges, as the service does; values outside are clamped.

        Parameters
        ----------
        values : array_like of shape (n, features) or (features,)
            Features in the schema's units.

        Returns
        -------
        ndarray of uint8, of the same shape

        Raises
        ------
        BadQuery
            The number of features is wrong, or a feature is not finite; the message names it.
        """
        x = np.asarray(values, dtype=np.float64)
        lo, hi = self.lo, self.hi
        if x.shape[-1:] != lo.shape or x.ndim not in (1, 2):
            raise BadQuery(f"the records have shape {x.shape}; the schema has {len(lo)} features")
        if not np.isfinite(x).all():
            at = np.argwhere(~np.isfinite(x))[0]
            raise BadQuery(f"feature {at[-1]} (`{self.features[at[-1]]}`) is {x[tuple(at)]}: it must be a finite number")
        return np.clip(np.rint((x - lo) * 255.0 / (hi - lo)), 0, 255).astype(np.uint8)
