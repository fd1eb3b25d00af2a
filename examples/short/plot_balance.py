"""The balance of a wallet after each slot, as a plot."""

from __future__ import annotations

import sys

from matplotlib.figure import Figure

import simsync

WALLET = "9DjGTJfJRmgsYL8427pw2Vu46e5pHaENViFJUbUXMqEc"
PATH = sys.argv[1] if len(sys.argv) > 1 else "balance.png"

with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    balances = {slot: session.rpc.get_balance(WALLET) / 1e9 for slot in session.steps()}

figure = Figure(figsize=(8, 4), layout="constrained")
axes = figure.add_subplot(xlabel="slot", ylabel="SOL", title=WALLET)
axes.step(list(balances), list(balances.values()), where="post")
figure.savefig(PATH)
low, high = min(balances.values()), max(balances.values())
print(f"{PATH}: {len(balances)} slots, between {low:.6f} and {high:.6f} SOL")
