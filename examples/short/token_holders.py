"""Who holds a token at a slot, and how much of it: a snapshot of all token accounts of a mint."""

from __future__ import annotations

import simsync
from simsync.accounts import TOKEN_PROGRAM, read_mint, read_token_account

MINT = "EvTjjXDJW1MnZ6WHWqwPFzb7rGY1d6qet2MmYDMo4W7e"

with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    session.ensure_ready(timeout=600)
    session.continue_to(1_070)
    found = session.rpc.get_program_accounts(TOKEN_PROGRAM, data_size=165, memcmp=[(0, MINT)])
    state = session.rpc.get_account_info(MINT)

assert state is not None
mint, holders = read_mint(state), [read_token_account(account) for _address, account in found]
print(f"{len(holders)} holders of {mint.supply / 10**mint.decimals:,} tokens")
for holder in sorted(holders, key=lambda holder: -holder.amount):
    print(f"{holder.owner} {holder.amount / mint.supply:7.2%}")
