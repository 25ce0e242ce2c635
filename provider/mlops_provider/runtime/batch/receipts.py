"""Receipts: which partition was scored by which model, and where the answers are.

A receipt is a document, created once: of two runs that score the same partition at once, one's answers count.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConflictError, StoreError
from mlops_provider.refs import DatasetRef, ref_from_dict
from mlops_provider.store.documents import read_document, write_document
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.runtime.batch.partitions import Partition
    from mlops_provider.store.store import Store

_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts of one way to score: a model, and what is written of its answers."""

    store: Store
    workflow: str
    work: str

    @classmethod
    def of(cls, store: Store, workflow: str, **work: Any) -> Receipts:
        """Give the receipts of everything that decides what a scored row looks like."""
        return cls(store, workflow, hashlib.sha256(json_bytes(work)).hexdigest())

    def find(self, partition: Partition) -> DatasetRef | None:
        """Give the scored partition, where it is still whole."""
        data = read_document(self.store, self._key(partition)).data
        if not data:
            return None
        ref = _dataset(data["data"])
        try:
            self.store.open(ref)
        except StoreError as err:
            if err.retryable:
                raise
            return None
        return ref

    def write(self, partition: Partition, ref: DatasetRef) -> DatasetRef:
        """Note where a scored partition is; give what counts: this, or what another run noted first."""
        before = read_document(self.store, self._key(partition))
        entry = {"partition": partition.label, "data": ref.to_dict()}
        if before.data == entry:
            return ref
        try:
            write_document(self.store, before.key, entry, after=before.revision)
        except ConflictError:
            return _dataset(read_document(self.store, before.key).data["data"])
        return ref

    def _key(self, partition: Partition) -> str:
        return f"{self.workflow}/predict/{self.work[:_DIGITS]}/{partition.digest[:_DIGITS]}"


def _dataset(value: dict[str, Any]) -> DatasetRef:
    ref = ref_from_dict(value)
    assert isinstance(ref, DatasetRef)
    return ref
