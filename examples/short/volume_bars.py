"""Bars of ten slots as a pandas data frame: transactions, failures, fees and the lamports that changed hands."""

from __future__ import annotations

import simsync

with simsync.Client().parallel(simsync.CreateSession(1_000, 1_079)) as session:
    session.subscribe_transactions()
    run = session.collect(advance=20)

frame = run.to_pandas(simsync.Transaction)
frame["volume"] = [
    sum(max(0, after - before) for before, after in zip(one.pre_balances, one.post_balances))
    for one in run.transactions
]
bars = frame.groupby(frame["slot"] // 10 * 10).agg(
    transactions=("signature", "size"),
    succeeded=("success", "sum"),
    fees=("fee", "sum"),
    volume=("volume", "sum"),
)
print(bars.to_string())
