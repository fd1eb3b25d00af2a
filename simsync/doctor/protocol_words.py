"""What a capture may show: the keys of the protocol, and the shapes of values that tell nothing about a user."""

from __future__ import annotations

import re

from simsync.doctor.fields import fold, folded

KEYS = folded(
    "account accountDiffs accountEvents accountIndex accountKeys accountOverrides accounts actionIndex actions"
    " address addressTableLookups addressType advanceCount after afterEverySlot afterMatch afterSlot agentStats"
    " agentType agents aggregator aggregators amount amountOffset anchor apiVersion appliedAccountModifications"
    " balanceDiff batchIndex before beforeEverySlot beforeMatch beforeSlot blockHeight blockTime blockhash"
    " builds bundleBuilds bundleSize bundleStartSlot bundleStartSlotUtc bundles bytes capacityWaitTimeoutSecs"
    " circularArbs code commitment committed comparison completed completedAtUnixMs compression compute"
    " computeUnits computeUnitsConsumed confirmationStatus confirmations content context controlSessionId core"
    " correctSimulation cost createdAtUnixMs daily data decimals deferCleanup derived detectFailedL1Swaps"
    " diagnosticProbes directFill disconnectTimeoutSecs discoveries done encoding end endOfStream endSlot"
    " endSlots eof err error event everyNSlots executable executedSlotCount executionDiffs executionErrors"
    " expectedSlots extraComputeUnits extraMarkets failed failures fee feedsReroute filter filters global header id"
    " idempotencyKey incorrectSimulation index innerInstructions inputMint inputTokenAccount instruction"
    " instructions intraSlotUpdates jsonrpc kind label lamports lastSequence lastSequences lastSlot legs"
    " loadedAddresses logDiff logMessages logs market markets matched maxBundleEndSlot maxBundleEndSlotUtc"
    " maxBundleSize mentions message meta metadata method mint mints mode modifyAccountStates"
    " needsInvestigation numReadonlySignedAccounts numReadonlyUnsignedAccounts numRequiredSignatures offset ok"
    " oracleUpdate original originalQuotedOut originalRealizedOutputAmount originalRoutePlan originalSignature"
    " outputMint outputTokenAccount owner pair pairs parallel params parent parentSlot paused post postBalances"
    " postLamports postTokenBalances pre preBalances preLamports preTokenBalances preloadAccountBundles"
    " preloadPrograms pricing program programExecuted programId programIdIndex programs pubkey quoteFailure"
    " readonly realizedOutputAmount realizedRoutePlan reason recentBlockhash rentEpoch replayAccountState"
    " replayFromSlot request requestId requested requote reroute rerouteOrderFlow rerouteStats result results"
    " returnAccounts returnData rewards root routePlan routeSummary routedTransaction rpcEndpoint scope seeds"
    " send sendSummary seqId sessionDurationMs sessionId sessionIds sessions signature signatures signer"
    " signerFilter since size sizeBytes slippageBps slot slots snapshotSlot snapshotSlotUtc solana-core space"
    " stackHeight start startSlot startSlots started status step subscription success summary swapInfo swapMode taker"
    " taskId taskIds timestamp transaction transactionIndices transactionOutcomes transactions txIndex type"
    " uiAmount uiAmountString uiTokenAmount unitsConsumed unsanitizable until usdValues user value venue"
    " version wallet writable"
)
"""Keys whose values are looked at by their shape; of any other key only numbers, addresses and times stay."""

WORD_KEYS = folded(
    "anchor commitment compression confirmationStatus encoding err error event jsonrpc kind method mode result status"
    " swapMode type version"
)
"""Keys whose values may be a word that simsync does not know: what a server calls things is what a capture shows."""
CHOICE_KEYS = folded("addressType agentType aggregator aggregators filter label params scope value venue")
"""Keys whose values may be a word of the protocol, but not one that a user may have chosen."""
CHOICES = folded(
    "all account program global local mint transfer simulate send null legacy processed confirmed finalized base58"
    " base64 base64+zstd json jsonParsed zstd jupiter okx titan dflow ExactIn ExactOut match every blocks"
)
"""The words of these choices that are not keys as well. ``match`` and ``every`` are labels of the probe itself."""
METHODS = folded(
    "createBacktestSession attachBacktestSession resumeAttachedSession continue continueTo closeBacktestSession"
    " attachParallelControlSessionV2 continueSessionV1 continueToSessionV1 closeSessionV1 sessionCreated"
    " sessionAttached sessionsCreated sessionsCreatedV2 parallelSessionAttachedV2 sessionEventV1 sessionEventV2"
    " slotNotification readyForContinue discoveryBatch transactionSubscribe transactionNotification"
    " accountDiffSubscribe accountDiffNotification actionSubscribe actionNotification slotSubscribe logsSubscribe"
    " logsNotification simsyncProbeSubscribe getSlot getBalance getMultipleAccounts getSignatureStatuses"
    " getAddressLookupTable getProgramAccounts"
)
"""The methods that the probe sends or knows. Others are words that a reader should see."""
TEXT_KEYS = folded("err error logs logMessages message reason returnLogs text")
"""Keys whose values are sentences: they stay, without what looks like a secret, and can be reviewed."""
DATA_KEYS = folded("data returnData transaction transactions seeds")
"""Keys whose values are bytes of the chain, in base64 or base58."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,40}")
_CHAIN = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}|[1-9A-HJ-NP-Za-km-z]{64,88}")
_PLAIN = re.compile(r"[-+]?\d{1,20}(\.\d{1,20})?|\d\.\d+(\.\d+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
_BYTES = re.compile(r"[A-Za-z0-9+/=…]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
_PLACEHOLDERS = re.compile(r"((https?|wss?)://)?(/?(backtest|build-bundle|available-ranges|<[a-z]+(-[a-z0-9]+)*>))+/?")


def is_plain_shape(text: str) -> bool:
    """An address, a signature, a number, a time, or a placeholder."""
    return any(shape.fullmatch(text) for shape in (_CHAIN, _PLAIN, _TIME, _PLACEHOLDERS)) or not text


def may_stay(name: str, text: str) -> bool:
    """True if ``text`` under a key of the protocol tells nothing about a user; ``name`` is the folded key."""
    if is_plain_shape(text):
        return True
    if name in WORD_KEYS and _WORD.fullmatch(text):
        return True
    if name in CHOICE_KEYS and (fold(text) in KEYS or fold(text) in CHOICES):
        return True
    return name in DATA_KEYS and _BYTES.fullmatch(text) is not None


def is_key(key: str) -> bool:
    """True for a key of the protocol, and for anything that looks like the name of a field."""
    return fold(key) in KEYS or _NAME.fullmatch(key) is not None
