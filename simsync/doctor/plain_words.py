"""The words that a sentence in a capture may keep: ordinary English, and what servers and Solana programs talk about.

A word that is missing here is replaced, which costs a reader a guess. A name that is listed by mistake would stay.
"""

from __future__ import annotations

_ENGLISH = """
a able about above absent accept accepted accepting accepts access across active actual add added after again against
all allow allowed allows already also although always among an and announced another answer answered answers any
anything are aren as ask asked asking at available away back backward backwards bad be became because become been
before began begin begins behind being belongs below beneath beside between beyond both bound bounds broken but by bye
call called caller calls came can cannot case caught cause caused change changed changes check checked choose clean
clear come comes common complete completely contain contained contains corrupt could couldn count counted counts create
created creates creating current currently cut deal default delay delayed delivered denied depends did didn differ
different differs directly do does doesn don done down due during each early either else empty end ended ending ends
enough enter equal equals even ever every exact exactly exceed exceeded exceeds except exist existing exists expect
expected expects expire expired expires explicit extra fail failed failing fails failure false far few fewer fewest
final finally find finish finished first fit fits five follow followed follows for forbidden forever form forward found
four fresh from full gave general get gets give given gives go goes gone good got greater had half happen happened has
hasn have haven having help here higher highest how however if ignore ignored immediately in inactive inclusive
incompatible incomplete inconsistent incorrect indeed initial inner inside instead into invalid is isn it its itself
just keep keeps kept kind knew know known knows lack lacks large larger largest last late later latest least leave
leaves left len length less lets like likely limit limited listed little long longer longest look looks lost low lower
lowest made make makes making malformed many match matched matches matching maximum may me mean means meant met middle
might minimum mismatch mismatched misses missing mistake more most must my near necessary need needed needs negative
neither never new newer newest next no none nor normal not nothing now number numbers obsolete occur occurred of off
often okay old older oldest on once one ones only onto open opened or order other others otherwise our out outcome
outer outside over own part partial parts per perhaps permitted place plain please positive possible present previous
previously prior probably proceed proceeding prohibited proper proven provide provided quickly quite raise ran rather
reach reached reason receive received refuse refused refuses regular reject rejected rejects remain remaining remains
remove removed repeat repeated repeats replace replaced replies reply require required requires rest retried retry
retrying same say says second see seen send sending sends sent set sets several shall short shorter should show shown
shows silence similar simple since six size slow small smaller smallest so some someone something soon special start
started starting starts state stated stay stays still stop stopped stops such sudden supplied supply support supported
supports take taken takes ten than that the their them then there these they thing things this those though three
through thus till time times to together told too took total toward trailing tried tries true try trying twice two
unable unavailable uncaught undefined under unexpected unexpectedly unhandled unique unknown unless unlike unlikely
unread unreadable unrecognized unsupported until unusable unused up upon us use used uses using usual usually valid
value values various very via wait waited waiting waits want wanted wants warm warming was wasn way ways we well went
were what when where whether which while who whole whose why will wish with within without won word words work working
works would wouldn write writes writing written wrong yes yet you your zero
"""

_TECHNICAL = """
abort aborted absolute acknowledge acknowledged action actions address addresses admission after agent agents alias
allocate allocated allocation amount amounts anchor anchors api appending application applied apply archive argument
arguments arithmetic array assertion assign assigned async attach attached attaching attempt attempting attempts auth
authenticate authenticated authentication authorization authorized backend backoff balance balances bank base basic
batch batches bearer behaviour binary bit bits blob block blocked blocks body bool boolean boot booting borrow bounded
branch brand broke buffer buffered buffers bug build builder building builds built bundle bundles busy byte bytes cache
cached camel cancel canceled cancelled candidate capability capacity cast category chain change channel channels char
character characters charge checksum child chunk chunks class clerk client clients clock close closed closes closing
cluster code codes column command commands commit commitment compare comparison compress compressed compression
computation compute computed concurrent condition config configuration configured confirm confirmed conflict conflicts
connect connected connecting connection connections consume consumed container content context continue continued
continues continuing control convert converted copy core cost counter counters credit credits cross cursor custom cycle
daemon data database date day days debit debug decimal decimals decode decoded decoder decoding decompress decompressed
dedicated delete deleted deny dependency deprecated depth deserialize deserialized destination detach detached details
detect detected device diagnostic diff diffs digest digit digits direct disabled disconnect disconnected discoveries
discovery disk drain drained draining drop dropped dropping dump duplicate duration dynamic echo edge elapsed element
elements emitted enable enabled encode encoded encoding encrypted endpoint engine engines entries entry enum
environment epoch error errors evaluate event events evict evicted example exception exclusive execute executed
executes executing execution executor exhausted exit experimental export expression external failover family fatal
fault feature features fee fees fetch fetched fetching field fields file files filter filters finalize finalized
finalizing flag flat flush flushed folder folders foreign fork format formats fraction frame frames free frozen
function funds future gap gateway generate generated generation global group handle handler handlers handshake hash
header headers health healthy heartbeat height hex history hold holds host hour hours http id idempotency identifier
identity idle ids ignoring image immutable implement implemented import index indexes indices info init initialization
initialize initialized initializing input inputs insert inserted instance instances instruction instructions integer
integers integrity interface internal internals interrupted interval invalidate invariant invoke invoked item items job
jobs join json key keys label labels lamport lamports latency launch launching layer layout lease ledger legacy level
limits line lines link list listen listener listening lists load loaded loader loading loads local lock locked locks
log logged logs loop machine machines main maintenance manager manifest map mapping memory merge message messages
metadata meter method methods migrate migration mint mints minute minutes mode model module monitor multiple mutable
native nested net network node nodes note notification notifications notified notify null object objects offline offset
online operation operations option optional options oracle origin origins output outputs overflow overload overloaded
override overrides overwrite owner owners ownership package packages pair pairs panic panicked parallel parameter
parameters params parent parse parsed parser parsing pass passed path paths pause paused payload payloads payment peer
pending percent permission phase ping pipe pipeline placeholder plan plane planned point policy pool port position
prefix prepare prepared preparing pretty price privilege privileged probe probes process processed processes processing
produce produced program programs progress property proposal protocol proxy public publish pull purge push queue queued
queues quota quotas range ranges rate raw read reader readiness reading readonly reads ready realized reattach reboot
receipt receiving recent reconnect reconnecting record recorded records recover recovered recovery reference refresh
refund region register registered registry relative release released reload remote render rent replay replayed
replaying replica report reported reports request requested requests reroute rerouted reserve reserved reset resolve
resolved resource resources response responses restart restarted restarting result results resume resumed return
returned returns reuse revert reverted reward rewards role root rotate route router routes row rows rpc rule run runner
running runs runtime safe sample scan schedule scheduled scheduler schema scope scratch script search seconds section
seed seeds segment select sequence sequences serialize serialized serve served server servers serves service services
session sessions setting settings shape shard shared shut shutdown shutting side sign signature signatures signed
signer signers silent simulate simulated simulation simulations simulator single skip skipped slippage slot slots snake
snapshot snapshots socket sockets solana solver source space span spare spawn spawned spell spelling spent split stable
stack stage stale standby static status statuses step steps storage store stored stream streams string strings struct
structure sub subscribe subscribed subscription subscriptions success successful successfully sum summary suspended
swap swapped swaps sync synchronized syntax system table tables tag tagged tags target task tasks template temporarily
temporary terminal terminate terminated termination test tests text thread threads threshold throttle throttled timed
timeout timestamp tls token tokens tool trace traffic transaction transactions transfer transferred transferring
transport truncated tuple type types ui unauthorized unbound unchanged unconfirmed underflow unhealthy unit units
unlock unsanitizable unsigned unsubscribe update updated updates updating upgrade upgraded upgrades upload url usage
utf vacant validate validated validation validator variable variant variants vector verification verified verify
version versions virtual visible volume vote votes warmup warn warned warning websocket weight window wire worker
workers world writable writer x xor year years zstd
"""

_SOLANA = """
airdrop allocator amm approve associated authorities authority blockhash bonding bpf burn burnt buy calculate close
compile compiled compute cpi create curve deposit discriminator duplicated escalated executable exempt exemption freeze
frozen idempotent inbound initialize insufficient invocation invocations liquidate liquidity loaded lookup lookups
market markets memo multisig nonce nonces outbound payer pda position program pubkey quote quoted reallocation
rebalance revoke sanitize sanitized sell spl stake staker swap sysvar sysvars taker thaw unauthorized unbalanced
uninitialized unwrap vault verify wallet withdraw withdrawal withdrawer wrap
"""

_PERSONAL = """
account accounts bearer birth cookie cookies credential credentials customer display email key login mail name named
names organization passphrase password passwords phone pin private secret secrets team tenant user users
"""
"""Names of what is removed; that a server speaks of it may be seen."""

PLAIN_WORDS = frozenset(f"{_ENGLISH} {_TECHNICAL} {_SOLANA} {_PERSONAL}".split())
