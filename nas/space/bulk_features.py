"""Computes the proxy's features for arrays of encoded candidates by table look-ups."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nas.space.bulk_metrics import Vector
from nas.space.layer_tables import Slot
from nas.space.proxy_features import ConvTotals, ProxyFeatures, conv_totals
from nas.space.space import Encoded

Array = npt.NDArray[np.int64]


class BulkFeatures:
    """The features of ``ProxyFeatures.of`` for arrays of a space's candidates."""

    def __init__(self, vector: Vector) -> None:
        """Build the tables, which takes a tenth of a second for the default space."""
        self.vector = vector
        self._known: dict[int, ConvTotals] = {}
        self._tables = [self._table(slot) for slot in vector.tables.slots]

    def __call__(self, rows: Encoded) -> ProxyFeatures:
        """The features of ``rows`` (n, parameters)."""
        names = ("params", "macs", "dilated_convs")
        return ProxyFeatures.made(self._totals(rows), *(self.vector.metric(rows, name) for name in names))

    def _totals(self, rows: Encoded) -> ConvTotals:
        found: Array = np.zeros((len(ConvTotals._fields), len(rows)), dtype=np.int64)
        first = ConvTotals._fields.index("whitened")
        columns = np.ascontiguousarray(rows.T)
        for (_, index), table in zip(self.vector.indices(columns), self._tables, strict=True):
            part = table.take(index, axis=1)
            part[first, found[0] > 0] = 0  # the first convolution came before
            found += part
        return ConvTotals(*found)

    def _table(self, slot: Slot) -> Array:
        """(totals, cells): of every layer that can be there."""
        table: npt.NDArray[Any] = np.zeros((len(ConvTotals._fields), *slot.events.shape), dtype=np.int64)
        for key, chain in slot.chains.items():
            if id(chain) not in self._known:  # equal layers are one object
                self._known[id(chain)] = conv_totals(chain)
            table[:, *key] = self._known[id(chain)]
        return table.reshape(len(table), -1)
