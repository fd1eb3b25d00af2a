// web3.js and spl-token on one session: send and confirm, tokens, history, a simulation. Prints one JSON object.
import * as web3 from '@solana/web3.js';
import * as token from '@solana/spl-token';

const [rpc] = process.argv.slice(2);
const connection = new web3.Connection(rpc, 'confirmed'); // the WebSocket is found by web3.js' own rule
const payer = web3.Keypair.generate(), other = web3.Keypair.generate();
const seen = {};

const firstOf = subscribe => new Promise(subscribe);
const notified = Promise.all([
  firstOf(done => connection.onLogs('all', done)),
  firstOf(done => connection.onAccountChange(payer.publicKey, done)),
  firstOf(done => connection.onSlotChange(done)),
]);

await connection.confirmTransaction(await connection.requestAirdrop(payer.publicKey, 5e9), 'confirmed');
const pay = web3.SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: other.publicKey, lamports: 1e9 });
const signature = await web3.sendAndConfirmTransaction(connection, new web3.Transaction().add(pay), [payer]);
seen.balance = await connection.getBalance(other.publicKey);

const mint = await token.createMint(connection, payer, payer.publicKey, null, 6);
const account = await token.getOrCreateAssociatedTokenAccount(connection, payer, mint, other.publicKey);
await token.mintTo(connection, payer, mint, account.address, payer, 2_500_000);
seen.tokens = (await connection.getTokenAccountBalance(account.address)).value.uiAmountString;
const parsed = await connection.getParsedTokenAccountsByOwner(other.publicKey, { mint });
seen.parsed = parsed.value[0].account.data.parsed.info.tokenAmount.amount;

seen.type = (await connection.getParsedTransaction(signature)).transaction.message.instructions[0].parsed.type;
const rows = await connection.getSignaturesForAddress(other.publicKey);
seen.history = rows.some(row => row.signature === signature);
const slot = await connection.getSlot();
seen.block = (await connection.getBlock(slot, { maxSupportedTransactionVersion: 0 })).transactions.length > 0;
seen.epoch = (await connection.getEpochInfo()).epoch;

const { blockhash } = await connection.getLatestBlockhash();
const fresh = web3.Keypair.generate().publicKey;
const home = token.getAssociatedTokenAddressSync(mint, fresh);
const create = token.createAssociatedTokenAccountInstruction(payer.publicKey, home, fresh, mint);
const message = new web3.TransactionMessage({ payerKey: payer.publicKey, recentBlockhash: blockhash, instructions: [create] });
const unsigned = new web3.VersionedTransaction(message.compileToV0Message());
const tried = await connection.simulateTransaction(unsigned, { innerInstructions: true });
seen.inner = tried.value.innerInstructions[0].instructions.map(one => one.parsed.type);

const poor = web3.Keypair.generate();
const broke = web3.SystemProgram.transfer({ fromPubkey: poor.publicKey, toPubkey: payer.publicKey, lamports: 5 });
seen.refused = await web3.sendAndConfirmTransaction(connection, new web3.Transaction().add(broke), [poor])
  .then(() => 'sent', error => error.message.includes('found no record of a prior credit'));
await notified;
console.log(JSON.stringify(seen));
process.exit(0);
