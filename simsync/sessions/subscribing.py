"""Subscribing to the data plane of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, SupportsIndex

from simsync.errors import ControlClosed, InvalidParams
from simsync.events import Event
from simsync.params import checks
from simsync.runtime import late_imports
from simsync.sessions.base import SessionBase
from simsync.wire import generations, urls
from simsync.wire.spelling import fold

if TYPE_CHECKING:
    from simsync.wire.pubsub import SubscribeSpec

_INTRA_SLOT = fold("intraSlotUpdates")


class Subscribing(SessionBase):
    """The ``subscribe`` methods of a session.

    Each returns at once. The next continue waits until the subscription is up, so no event is missed.

    All take ``from_slot``: begin with this slot, for example after an attach. If the server does not have it any more,
    the session fails with :class:`~simsync.SubscriptionFailed`. Without it, everything the server still has is
    delivered.
    """

    def subscribe_transactions(
        self, program_ids: Sequence[object] = (), *, from_slot: SupportsIndex | None = None
    ) -> None:
        """Receive a :class:`~simsync.Transaction` for each transaction that mentions any of the programs.

        Args:
            program_ids: Addresses, as base58 text or as objects that print as such. Empty: all transactions. A
                transaction that mentions several of them is delivered once.
            from_slot: The first slot to deliver.

        Raises:
            InvalidParams: An argument is invalid.
            ControlClosed: The session was closed.
        """
        self._subscribe_kind("transactions", checks.addresses("program_ids", program_ids) or (None,), from_slot)

    def subscribe_account_diffs(
        self,
        program_ids: Sequence[object] = (),
        *,
        accounts: Sequence[object] = (),
        from_slot: SupportsIndex | None = None,
    ) -> None:
        """Receive an :class:`~simsync.AccountDiff` for each change of an account.

        Args:
            program_ids: Follow the accounts that these programs own.
            accounts: Follow these accounts, whoever owns them. At least one program or account is needed.
            from_slot: The first slot to deliver.

        Raises:
            InvalidParams: An argument is invalid.
            ControlClosed: The session was closed.
        """
        owners = checks.addresses("program_ids", program_ids)
        addresses = checks.addresses("accounts", accounts)
        if not owners and not addresses:
            raise InvalidParams("program_ids", program_ids, "give at least one program or account")
        # On one connection, so that a change which matches a program and an account is delivered once.
        specs = [*self._specs("program_diffs", owners), *self._specs("account_diffs", addresses)]
        self._subscribe(specs, from_slot)

    def subscribe_actions(self, *, from_slot: SupportsIndex | None = None) -> None:
        """Receive an :class:`~simsync.ActionResult` for each run of a scheduled action of the create request."""
        self._subscribe_kind("actions", (None,), from_slot)

    def subscribe_logs(self, program_ids: Sequence[object] = (), *, from_slot: SupportsIndex | None = None) -> None:
        """Receive the logs of each transaction that mentions any of the programs, as :class:`~simsync.Notification`.

        Args:
            program_ids: Addresses, as base58 text or as objects that print as such. Empty: all transactions.
            from_slot: The first slot to deliver.
        """
        self._subscribe_kind("logs", checks.addresses("program_ids", program_ids) or (None,), from_slot)

    def subscribe_reroutes(self, *, from_slot: SupportsIndex | None = None) -> None:
        """Receive each rerouted swap as :class:`~simsync.Notification` (see ``CreateSession(reroute=...)``)."""
        self._subscribe_kind("reroutes", (None,), from_slot)

    def subscribe_replacements(self, *, from_slot: SupportsIndex | None = None) -> None:
        """Receive each replaced swap as :class:`~simsync.Notification`. Later servers send these for reroutes."""
        self._subscribe_kind("replacements", (None,), from_slot)

    def subscribe_diagnostics(self, *, from_slot: SupportsIndex | None = None) -> None:
        """Receive results of diagnostic probes as :class:`~simsync.Notification` (the method's name is a guess)."""
        self._subscribe_kind("diagnostics", (None,), from_slot)

    def subscribe(
        self,
        method: str,
        filter: object = None,
        decode: Callable[[str, Any], Event] | None = None,
        *,
        config: Mapping[str, object] | None = None,
        intra_slot_updates: bool = False,
        from_slot: SupportsIndex | None = None,
    ) -> None:
        """Make any other subscription: ``subscribe("slotSubscribe")`` or ``subscribe("logsSubscribe", "all")``.

        Args:
            method: The name of the subscribe method.
            filter: Its first parameter as JSON values, with addresses also as objects that print as such; None sends
                ``null``.
            decode: Makes an event from the notification's method and result. Without it, a
                :class:`~simsync.Notification` is delivered. The thread that reads all subscriptions calls it, so it
                must not wait for anything.
            config: Keys of its second parameter, for example ``{"filters": [{"dataSize": 165}]}``. They replace
                simsync's own ``commitment``, and the ``encoding`` of accounts and programs, which is ``base64``.
            intra_slot_updates: Receive each write of an account within a slot, not only its last state (for
                ``accountSubscribe`` and ``programSubscribe``, from protocol version 0.16).
            from_slot: The first slot to deliver.

        Raises:
            InvalidParams: An argument is invalid.
            ControlClosed: The session was closed.
        """
        self._options.dialect.check_method(method)
        if decode is not None and not callable(decode):
            raise InvalidParams("decode", decode, "must be a function of (method, result)")
        if checks.flag("intra_slot_updates", intra_slot_updates):
            self._options.dialect.check_subscription("intra_slot_updates", generations.INTRA_SLOT_UPDATES)
            for key in {} if config is None else checks.mapping("config", config):
                if isinstance(key, str) and fold(key) == _INTRA_SLOT:
                    raise InvalidParams(
                        f"config[{key!r}]", config, "says the same as intra_slot_updates: give one of them"
                    )
        late_imports.load(*late_imports.SUBSCRIPTION)
        from simsync.wire.pubsub import SubscribeSpec

        spec = SubscribeSpec.custom(
            method, filter, decode, self._options.dialect.streams, config, intra_slot_updates=intra_slot_updates
        )
        self._subscribe([spec], from_slot)

    def _subscribe_kind(self, kind: str, values: Sequence[str | None], from_slot: SupportsIndex | None) -> None:
        self._subscribe(self._specs(kind, values), from_slot)

    def _specs(self, kind: str, values: Sequence[str | None]) -> list[SubscribeSpec]:
        late_imports.load(*late_imports.SUBSCRIPTION)
        from simsync.wire.pubsub import SubscribeSpec

        row = self._options.dialect.streams[kind]
        self._options.dialect.check_method(row.method)
        self.subscribed.update([kind] if values else [])
        return [SubscribeSpec.of(row, value) for value in values]

    def _subscribe(self, specs: list[SubscribeSpec], from_slot: SupportsIndex | None) -> None:
        from simsync.protocol.subscription import SubscriptionProtocol
        from simsync.runtime.subscription_reader import SubscriptionReader

        from_slot = checks.optional_integer("from_slot", from_slot, 0, checks.U64)
        self._connection.process.check()
        if self._closed or self._queue.cancelled is not None:
            why = "was closed" if self._closed else f"has ended ({self._queue.cancelled})"
            raise ControlClosed(f"session {self.session_id} {why}: it cannot subscribe any more")
        options = self._options
        reader = SubscriptionReader(
            urls.pubsub_url(self.rpc_endpoint),
            SubscriptionProtocol(
                specs,
                options.dialect,
                compressed=options.compression,
                from_slot=from_slot,
                quick=options.fast_path,
                max_message=options.max_message,
            ),
            self._queue,
            self._data_plane,
            options,
            from_slot,
        )
        self._readers.append(reader)
        reader.start()
