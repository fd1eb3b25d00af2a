"""Notifications of several subscribes that are the same one, although their bytes may differ.

Signatures are not verified, so two transactions of a slot may share one. Only their content tells them apart from one
transaction that matches two subscribes. Usually the bytes tell: they are equal except for the number of the
subscription. A server may write the same content in another order, so where the bytes differ, the content is compared.
"""

from __future__ import annotations

from simsync.wire.pubsub import content_key, has_same_content

KEPT_BYTES = 32 * 1024 * 1024
"""Notifications of so many bytes are kept to be compared. Behind that, in the oldest slots, only equal bytes count."""

_Variants = tuple[tuple[int, bytes], ...]


class ContentKeys:
    """Gives notifications with equal content an equal key."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._slots: dict[int, dict[object, _Variants]] = {}
        self._sizes: dict[int, int] = {}
        self._size = 0

    def key(self, slot: int, key: object, payload: bytes) -> tuple[object, int]:
        """``key``: what most notifications of the slot differ in already, such as the signature."""
        variants = self._slots.get(slot)
        if variants is None:
            variants = self._slots[slot] = {}
        known = variants.get(key)
        number = content_key(payload)
        if known is None:
            known = ()
        elif known[0][0] == number:  # nearly always
            return key, number
        else:
            for other, kept in known:
                if other == number or has_same_content(kept, payload):
                    return key, other
        variants[key] = (*known, (number, payload))
        self._keep(slot, len(payload))
        return key, number

    def forget_before(self, slot: int) -> None:
        """Nothing of the slots before this one will come again."""
        for old in [old for old in self._slots if old < slot]:
            self._forget(old)

    def _keep(self, slot: int, size: int) -> None:
        self._sizes[slot] = self._sizes.get(slot, 0) + size
        self._size += size
        while self._size > self._kept_bytes:
            self._forget(min(self._sizes))

    def _forget(self, slot: int) -> None:
        del self._slots[slot]
        self._size -= self._sizes.pop(slot, 0)
