"""The words of the protocol: names of keys and methods, and choices."""

from __future__ import annotations

from simsync.doctor.fields import folded

_NUMBERS = """
accountIndex actionIndex advanceCount amount amountOffset balanceDiff batchIndex blockHeight blockTime
bundleSize bundleStartSlot capacityWaitTimeoutSecs circularArbs code completedAtUnixMs compute computeUnits
computeUnitsConsumed confirmations correctSimulation cost createdAtUnixMs decimals derived disconnectTimeoutSecs
endSlot endSlots everyNSlots executedSlotCount executionDiffs executionErrors expectedSlots extraComputeUnits
failures fee incorrectSimulation index lamports lastSequence lastSequences lastSlot logDiff matched
maxBundleEndSlot maxBundleSize needsInvestigation numReadonlySignedAccounts numReadonlyUnsignedAccounts
numRequiredSignatures offset originalQuotedOut originalRealizedOutputAmount params parentSlot postBalances
postLamports preBalances preLamports programIdIndex quoteFailure realizedOutputAmount rentEpoch replayFromSlot
requote result seqId sessionDurationMs size sizeBytes slippageBps slot slots snapshotSlot space stackHeight
startSlot startSlots subscription timestamp transactionIndices txIndex uiAmount uiAmountString unitsConsumed
unsanitizable usdValues value
"""
_OTHERS = """
account accountDiffs accountEvents accountKey accountKeys accountOverrides accounts actions address addressTableLookups
addressType after afterEverySlot afterMatch afterSlot agents agentStats agentType aggregator aggregators anchor
apiVersion appliedAccountModifications before beforeEverySlot beforeMatch beforeSlot blockhash builds bundleBuilds
bundles bundleStartSlotUtc bytes clockSysvar commitment committed comparison completed compression confirmationStatus
content context controlSessionId core daily data dataSize deferCleanup detectFailedL1Swaps diagnosticProbes directFill
discoveries done encoding end endOfStream eof err error event executable extensionTypes extraMarkets failed
feedsReroute filter filters global header id idempotencyKey innerInstructions inputMint inputTokenAccount instruction
instructions intraSlotUpdates jsonrpc kind label legs loadedAddresses logMessages logs market markets
maxBundleEndSlotUtc memcmp mentions message meta metadata method mint mints mode modifyAccountStates ok oracleUpdate
original originalRoutePlan originalSignature outputMint outputTokenAccount owner pair pairs parallel parent paused post
postTokenBalances pre preloadAccountBundles preloadPrograms preTokenBalances pricing program programExecuted programId
programs pubkey readonly readonlyIndexes realizedRoutePlan reason recentBlockhash replayAccountState request requested
requestId reroute rerouteOrderFlow rerouteStats results returnAccounts returnData rewards root routedTransaction
routePlan routeSummary rpcEndpoint scope searchTransactionHistory seeds send sendSummary sessionId sessionIds sessions
signature signatures signer signerFilter since slotHashesSysvar snapshotSlotUtc solana-core start started status step
success summary swapInfo swapMode taker taskId taskIds transaction transactionOutcomes transactions type uiTokenAmount
until user venue version wallet writable writableIndexes
"""
_CHOICES = """
all blocks global local mint transfer simulate send null legacy processed confirmed finalized base58 base64 base64+zstd
json jsonParsed zstd jupiter okx titan dflow ExactIn ExactOut every match u8 u16 u32 u64 i64 u128
"""
_METHODS = """
createBacktestSession attachBacktestSession resumeAttachedSession continue continueTo closeBacktestSession
attachParallelControlSessionV2 continueSessionV1 continueToSessionV1 closeSessionV1 sessionCreated sessionAttached
sessionsCreated sessionsCreatedV2 parallelSessionAttachedV2 sessionEventV1 sessionEventV2 slotNotification
readyForContinue discoveryBatch transactionSubscribe transactionNotification accountDiffSubscribe
accountDiffNotification actionSubscribe actionNotification slotSubscribe logsSubscribe logsNotification
simsyncProbeSubscribe getSlot getBalance getMultipleAccounts getSignatureStatuses getAddressLookupTable
getProgramAccounts
"""

NUMBER_KEYS = folded(_NUMBERS)
"""Keys whose values may be large numbers. Below any other key, one may be that of an account or a telephone."""
KEYS = NUMBER_KEYS | folded(_OTHERS)
"""Keys of the protocol. Of the values of any other key, only addresses, times and small numbers stay."""
PROTOCOL_WORDS = KEYS | folded(_CHOICES) | folded(_METHODS)
SPELLED = f"{_NUMBERS} {_OTHERS} {_CHOICES} {_METHODS}".split()
"""All of them as the protocol spells them."""

SPOKEN_KEYS = folded(
    "anchor commitment compression confirmationStatus encoding err error event jsonrpc kind logs logMessages message"
    " method mode params reason result returnLogs status swapMode text type version"
)
"""Keys whose values may be sentences, or words that simsync does not know: what a server calls things."""
SIGNATURE_KEYS = folded("originalSignature signature signatures")
BYTES_KEYS = folded("data returnData transaction transactions seeds")
"""Keys whose values are bytes as text. Nobody can see what is in them, so they never stay."""
